//! Pairs that may be one customer: raised once for each pair of customers, shown with both.

use std::collections::BTreeSet;

use omnimesh_kit::{
    customers,
    ids::ProfileId,
    store::{Conn, Tx},
};
use omnimesh_proto::profiles::v1::{self as proto, SuggestionState};

use super::fold::{bare, whole};
use crate::{
    domain::terms,
    error::Error,
    rpc::Inner,
    store::{
        suggestions::{self, Suggestion, SuggestionId},
        uuids,
    },
};

/// Raises a suggestion, unless there is one for the same two customers: then better evidence replaces weaker. `fresh` says that
/// one of them is new.
pub(crate) async fn raise(
    tx: &mut Tx,
    (profile, other): (ProfileId, ProfileId),
    weight: i64,
    evidence: &[proto::EvidenceTerm],
    fresh: bool,
) -> Result<SuggestionId, Error> {
    let now = tx.now();
    let terms = terms::write(evidence);
    if !fresh {
        let (own, others) = (customers::members(tx, profile).await?, customers::members(tx, other).await?);
        let both = uuids(&[own.as_slice(), others.as_slice()].concat());
        let open = suggestions::between(tx, both).await?;
        if let Some(known) = open.iter().find(|open| own.contains(&open.profile) != own.contains(&open.other)) {
            suggestions::improve(tx, known.id, weight, &terms).await?;
            return Ok(known.id);
        }
    }
    let id = SuggestionId::new(now);
    let state = SuggestionState::Open.into();
    suggestions::insert(tx, &Suggestion { id, profile, other, weight, terms, state, created_at: now }).await?;
    Ok(id)
}

/// Suggestions as they are shown. Of several about the same two customers the strongest one alone.
pub(crate) async fn shown(
    app: &Inner,
    conn: &mut Conn,
    found: &[Suggestion],
    limit: usize,
) -> Result<Vec<proto::MergeSuggestion>, Error> {
    let mut pairs = BTreeSet::new();
    let mut shown = Vec::new();
    for suggestion in found {
        if shown.len() >= limit {
            break;
        }
        let one = customers::root(conn, suggestion.profile).await?;
        let other = customers::root(conn, suggestion.other).await?;
        let open = suggestion.state == i32::from(SuggestionState::Open);
        if open && !pairs.insert((one.min(other), one.max(other))) {
            continue;
        }
        shown.push(proto::MergeSuggestion {
            suggestion_id: suggestion.id.to_string(),
            profile: Some(whole(conn, one, false).await?.unwrap_or_else(|| bare(one))),
            other_profile: Some(whole(conn, other, false).await?.unwrap_or_else(|| bare(other))),
            weight_millibits: suggestion.weight,
            terms: terms::read(&suggestion.terms),
            state: suggestion.state,
            vetoed: open && vetoed(app, conn, one, other).await?,
            create_time: Some(suggestion.created_at.to_proto()),
        });
    }
    Ok(shown)
}

/// The open suggestions about a customer, the strongest first.
pub(crate) async fn open_of(
    app: &Inner,
    conn: &mut Conn,
    root: ProfileId,
    limit: usize,
) -> Result<Vec<proto::MergeSuggestion>, Error> {
    let members = customers::members(conn, root).await?;
    let open = suggestions::open(conn, uuids(&members)).await?;
    shown(app, conn, &open, limit).await
}

/// Whether two customers, by their roots, have different ones of what a person has one of.
pub(crate) async fn vetoed(app: &Inner, conn: &mut Conn, one: ProfileId, other: ProfileId) -> Result<bool, Error> {
    let mut limited = super::join::limited(app, conn, uuids(&[one, other])).await?;
    let (one, other) = (limited.remove(&one).unwrap_or_default(), limited.remove(&other).unwrap_or_default());
    Ok(one.vetoes(&other, |kind| app.settings.limit(kind)))
}
