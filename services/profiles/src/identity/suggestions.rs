//! Pairs that may be one customer: raised once for each pair of customers, shown with both.

use std::collections::{BTreeMap, BTreeSet};

use omnimesh_kit::{
    customers,
    ids::ProfileId,
    store::{Conn, Tx},
};
use omnimesh_proto::profiles::v1::{self as proto, SuggestionState};

use super::{evidence::Match, fold, join};
use crate::{
    domain::{limits::Limited, terms},
    error::Error,
    rpc::Inner,
    store::{
        clusters,
        suggestions::{self, Suggestion, SuggestionId},
        uuids,
    },
};

/// Raises suggestions about a profile, unless there is one for the same two customers: then better evidence replaces weaker.
/// `fresh` says that the profile is new. Gives their ids in the order of `found`.
pub(crate) async fn raise(
    tx: &mut Tx,
    profile: ProfileId,
    found: &[Match],
    fresh: bool,
) -> Result<Vec<SuggestionId>, Error> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let now = tx.now();
    let open = if fresh { Open::default() } else { Open::about(tx, profile, found).await? };
    let (mut raised, mut new) = (Vec::new(), Vec::new());
    for other in found {
        let terms = terms::write(&other.terms);
        if let Some(known) = open.with(other.root) {
            suggestions::improve(tx, known, other.weight, &terms).await?;
            raised.push(known);
        } else {
            let (id, state) = (SuggestionId::new(now), SuggestionState::Open.into());
            raised.push(id);
            new.push(Suggestion {
                id,
                profile,
                other: other.profile,
                weight: other.weight,
                terms,
                state,
                created_at: now,
            });
        }
    }
    suggestions::insert(tx, &new).await?;
    Ok(raised)
}

/// What is suggested about one customer and some others.
#[derive(Default)]
struct Open {
    /// By the others' roots.
    with: BTreeMap<ProfileId, SuggestionId>,
}

impl Open {
    async fn about(tx: &mut Tx, profile: ProfileId, found: &[Match]) -> Result<Self, Error> {
        let own = customers::root(tx, profile).await?;
        let roots: Vec<ProfileId> = found.iter().map(|other| other.root).chain([own]).collect();
        let root_of = clusters::members(tx, &roots).await?;
        let mut with = BTreeMap::new();
        for open in suggestions::between(tx, uuids(&root_of.keys().copied().collect::<Vec<_>>())).await? {
            let root_of = |profile| root_of.get(&profile).copied().unwrap_or(profile);
            let (one, other) = (root_of(open.profile), root_of(open.other));
            if one == own && other != own {
                with.entry(other).or_insert(open.id);
            } else if other == own && one != own {
                with.entry(one).or_insert(open.id);
            }
        }
        Ok(Self { with })
    }

    fn with(&self, root: ProfileId) -> Option<SuggestionId> {
        self.with.get(&root).copied()
    }
}

/// Suggestions as they are shown. Of several about the same two customers the strongest one alone.
pub(crate) async fn shown(
    app: &Inner,
    conn: &mut Conn,
    found: &[Suggestion],
    limit: usize,
) -> Result<Vec<proto::MergeSuggestion>, Error> {
    let ends: BTreeSet<ProfileId> = found.iter().flat_map(|found| [found.profile, found.other]).collect();
    let roots = clusters::roots(conn, ends.iter().map(|end| end.0).collect()).await?;
    let roots: BTreeMap<ProfileId, ProfileId> = roots.into_iter().collect();
    let root_of = |profile| roots.get(&profile).copied().unwrap_or(profile);
    let mut pairs = BTreeSet::new();
    let mut chosen = Vec::new();
    for suggestion in found {
        let (one, other) = (root_of(suggestion.profile), root_of(suggestion.other));
        let open = suggestion.state == i32::from(SuggestionState::Open);
        if !open || pairs.insert((one.min(other), one.max(other))) {
            chosen.push((suggestion, one, other, open));
        }
    }
    chosen.truncate(limit);
    let ends: BTreeSet<ProfileId> = chosen.iter().flat_map(|(_, one, other, _)| [*one, *other]).collect();
    let ends: Vec<ProfileId> = ends.into_iter().collect();
    let profiles = fold::all(conn, &ends, false).await?;
    let limited = join::limited(app, conn, uuids(&ends)).await?;
    let shown = |root| profiles.get(&root).cloned().unwrap_or_else(|| fold::bare(root));
    Ok(chosen
        .into_iter()
        .map(|(suggestion, one, other, open)| proto::MergeSuggestion {
            suggestion_id: suggestion.id.to_string(),
            profile: Some(shown(one)),
            other_profile: Some(shown(other)),
            weight_millibits: suggestion.weight,
            terms: terms::read(&suggestion.terms),
            state: suggestion.state,
            vetoed: open && veto(app, &limited, one, other),
            create_time: Some(suggestion.created_at.to_proto()),
        })
        .collect())
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
    let limited = join::limited(app, conn, uuids(&[one, other])).await?;
    Ok(veto(app, &limited, one, other))
}

fn veto(app: &Inner, limited: &BTreeMap<ProfileId, Limited>, one: ProfileId, other: ProfileId) -> bool {
    let (Some(one), Some(other)) = (limited.get(&one), limited.get(&other)) else { return false };
    one.vetoes(other, |kind| app.settings.limit(kind))
}
