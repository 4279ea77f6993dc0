//! Two customers become one.

use std::collections::BTreeMap;

use omnimesh_kit::{
    call::Call,
    customers,
    error::Fault,
    ids::ProfileId,
    outbox,
    store::{Conn, Tx},
};
use omnimesh_proto::profiles::v1::{ClusterMember, MergeKind, ProfilesMerged, SuggestionState};
use uuid::Uuid;

use crate::{
    domain::limits::Limited,
    error::Error,
    rpc::Inner,
    store::{
        clusters::{self, Node},
        identifiers,
        merges::{self, Merge, MergeId},
        profiles, suggestions, uuids,
    },
};

/// An event names all members of a customer up to this many, then those alone whose place changed.
const TOLD: usize = 200;

/// Why two customers are one.
pub(crate) struct Edge {
    /// A profile of one.
    pub(crate) profile: ProfileId,
    /// A profile of the other.
    pub(crate) other: ProfileId,
    pub(crate) kind: MergeKind,
    /// Evidence, as it is stored.
    pub(crate) terms: String,
    pub(crate) reason: String,
}

/// Locks customers by their roots, and looks again whether profiles belong where they were seen. Others who change these
/// customers wait.
pub(crate) async fn lock(
    app: &Inner,
    tx: &mut Tx,
    seen: &BTreeMap<ProfileId, ProfileId>,
) -> Result<BTreeMap<ProfileId, Node>, Error> {
    if seen.is_empty() {
        return Ok(BTreeMap::new());
    }
    // The profiles themselves too: whether one is verified is its own row's.
    let mut rows: Vec<Uuid> = seen.iter().flat_map(|(profile, root)| [profile.0, root.0]).collect();
    rows.sort_unstable();
    rows.dedup();
    let nodes = clusters::lock(tx, rows).await?;
    if !app.db.is_sqlite() {
        for (profile, root) in clusters::roots(tx, seen.keys().map(|profile| profile.0).collect()).await? {
            if seen.get(&profile) != Some(&root) {
                return Err(Error::Raced);
            }
        }
    }
    if nodes.iter().any(|node| node.erased) {
        return Err(Error::Raced);
    }
    Ok(nodes.into_iter().map(|node| (node.id, node)).collect())
}

/// What customers, by their roots, have of the types that a person has a limited number of.
pub(crate) async fn limited(
    app: &Inner,
    conn: &mut Conn,
    roots: Vec<Uuid>,
) -> Result<BTreeMap<ProfileId, Limited>, Error> {
    let kinds: Vec<i64> = (1..=7).filter(|kind| app.settings.limit(*kind).is_some()).map(i64::from).collect();
    let mut limited: BTreeMap<ProfileId, Limited> = BTreeMap::new();
    if kinds.is_empty() || roots.is_empty() {
        return Ok(limited);
    }
    for proved in identifiers::proved(conn, roots, kinds).await? {
        limited.entry(proved.root).or_default().add(proved.kind, &proved.value, proved.hash);
    }
    Ok(limited)
}

/// Makes two customers, given by their locked roots, one; gives the survivor. `fresh` says that one of them is new.
pub(crate) async fn join(
    tx: &mut Tx,
    call: &Call,
    (one, other): (Node, Node),
    edge: Edge,
    fresh: bool,
) -> Result<(Node, MergeId), Error> {
    let now = tx.now();
    let (mut winner, loser) = if one.rank() <= other.rank() { (one, other) } else { (other, one) };
    let merge = Merge {
        id: MergeId::new(now),
        profile: edge.profile,
        other: edge.other,
        kind: edge.kind.into(),
        terms: edge.terms,
        reason: edge.reason,
        actor: call.actor(),
        created_at: now,
    };
    merges::insert(tx, &merge).await?;
    let both = clusters::members(tx, &[winner.id, loser.id]).await?;
    if !fresh {
        close(tx, uuids(&both.keys().copied().collect::<Vec<_>>())).await?;
    }
    let (winners, losers): (Vec<_>, Vec<_>) = both.into_iter().partition(|(_, root)| *root == winner.id);
    let [winners, losers] =
        [winners, losers].map(|side| side.into_iter().map(|(member, _)| member).collect::<Vec<_>>());
    let mut moving = losers;
    if winners.len() == 1 {
        moving.push(winner.id);
    }
    let members = place(tx, winner.id, &moving, &winners).await?;
    let event = ProfilesMerged { profile_id: winner.id.to_string(), members, merge_id: merge.id.to_string() };
    let number = profiles::count_event(tx, winner.id, 1).await?;
    winner.version += 1;
    outbox::append(tx, call, &event.profile_id, number, &event).await?;
    Ok((winner, merge.id))
}

/// A customer's profile became the one that stands for it.
pub(crate) async fn crown(tx: &mut Tx, call: &Call, root: Node) -> Result<(), Error> {
    let members = customers::members(tx, root.id).await?;
    let members = place(tx, root.id, &members, &[]).await?;
    let event = ProfilesMerged { profile_id: root.id.to_string(), members, merge_id: String::new() };
    let number = profiles::count_event(tx, root.id, 1).await?;
    outbox::append(tx, call, &event.profile_id, number, &event).await?;
    Ok(())
}

/// Gives profiles their root; says where they, and what is there already, belong.
pub(crate) async fn place(
    tx: &mut Tx,
    root: ProfileId,
    moving: &[ProfileId],
    there: &[ProfileId],
) -> Result<Vec<ClusterMember>, Error> {
    let member = |(profile, generation): (ProfileId, i64)| ClusterMember {
        profile_id: profile.to_string(),
        root_profile_id: root.to_string(),
        generation,
    };
    let mut members: Vec<_> = clusters::moved(tx, uuids(moving)).await?.into_iter().map(member).collect();
    customers::write(tx, &members).await.map_err(Fault::internal)?;
    let there: Vec<Uuid> = there.iter().filter(|profile| !moving.contains(profile)).map(|profile| profile.0).collect();
    if !there.is_empty() && there.len() + moving.len() <= TOLD {
        members.extend(clusters::generations(tx, there).await?.into_iter().map(member));
    }
    members.sort_by(|a, b| a.profile_id.cmp(&b.profile_id));
    Ok(members)
}

/// Ends suggestions whose two sides are one customer now.
async fn close(tx: &mut Tx, members: Vec<Uuid>) -> Result<(), Error> {
    for suggestion in suggestions::between(tx, members).await? {
        suggestions::decide(tx, suggestion.id, SuggestionState::Obsolete, "").await?;
    }
    Ok(())
}
