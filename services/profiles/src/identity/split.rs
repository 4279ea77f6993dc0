//! What was made one comes apart again, and stays so.

use std::collections::BTreeSet;

use omnimesh_kit::{call::Call, customers, ids::ProfileId, outbox, store::Tx};
use omnimesh_proto::profiles::v1::{MergeKind, ProfileSplit};
use uuid::Uuid;

use super::join::place;
use crate::{
    domain::forest,
    error::Error,
    rpc::Inner,
    store::{
        clusters::{self, Node},
        merges::{self, Merge, MergeId},
        profiles, uuids,
    },
};

/// Who leaves.
#[derive(Clone, Debug)]
pub(crate) enum Leaving {
    /// These, together.
    Members(BTreeSet<ProfileId>),
    /// The side of a merge that the survivor is not on.
    Undone(MergeId),
}

/// The customers after a split, by their roots.
#[derive(Clone, Debug)]
pub(crate) struct Parted {
    pub(crate) stayed: ProfileId,
    pub(crate) left: Vec<ProfileId>,
}

/// Splits the customer that `root` stands for; `None` if nobody would leave, or nobody stay.
pub(crate) async fn split(
    app: &Inner,
    tx: &mut Tx,
    call: &Call,
    root: ProfileId,
    leaving: &Leaving,
    reason: &str,
) -> Result<Option<Parted>, Error> {
    let members = customers::members(tx, root).await?;
    let nodes = clusters::lock(tx, uuids(&members)).await?;
    if !app.db.is_sqlite() && customers::members(tx, root).await? != members {
        return Err(Error::Raced);
    }
    let all: BTreeSet<ProfileId> = members.iter().copied().collect();
    let edges = merges::merges(tx, uuids(&members)).await?;
    let leave: BTreeSet<ProfileId> = match leaving {
        Leaving::Members(named) => named.clone(),
        Leaving::Undone(merge) => {
            let kept = edges.iter().filter(|edge| edge.id != *merge).map(|edge| (edge.profile, edge.other));
            forest::components(&all, kept).into_iter().filter(|side| !side.contains(&root)).flatten().collect()
        }
    };
    let stay: BTreeSet<ProfileId> = all.difference(&leave).copied().collect();
    if leave.is_empty() || stay.is_empty() || !leave.is_subset(&all) {
        return Ok(None);
    }
    let now = tx.now();
    let crosses = |edge: &&Merge| leave.contains(&edge.profile) != leave.contains(&edge.other);
    let undone: Vec<Uuid> = edges.iter().filter(crosses).map(|edge| edge.id.0).collect();
    let kept = |side: &BTreeSet<ProfileId>| {
        let held = edges.iter().filter(|edge| !crosses(edge)).map(|edge| (edge.profile, edge.other));
        forest::components(side, held.filter(|(one, _)| side.contains(one)))
    };
    let (stayed, left) = (kept(&stay), kept(&leave));
    merges::undo(tx, undone, now).await?;
    merges::split(tx, [ids(&stay), ids(&leave)], (reason, &call.actor()), now).await?;
    // Nobody asked those who stay to come apart, though it was one of those who left that held them together.
    let first = |part: &BTreeSet<ProfileId>| part.first().copied();
    let mut parts = stayed.iter().filter_map(first);
    if let Some(hub) = parts.next() {
        for other in parts {
            let merge = Merge {
                id: MergeId::new(now),
                profile: hub,
                other,
                kind: MergeKind::Manual.into(),
                terms: "[]".to_owned(),
                reason: reason.to_owned(),
                actor: call.actor(),
                created_at: now,
            };
            merges::insert(tx, &merge).await?;
        }
    }
    let stands = |part: &BTreeSet<ProfileId>| {
        nodes.iter().filter(|node| part.contains(&node.id)).min_by_key(|node| node.rank()).map(|node: &Node| node.id)
    };
    let stayed_root = stands(&stay).ok_or(Error::Raced)?;
    let mut told = Vec::new();
    let (moving, there) = if stayed_root == root { (Vec::new(), list(&stay)) } else { (list(&stay), Vec::new()) };
    if moving.is_empty() {
        let generations = clusters::generations(tx, uuids(&there)).await?;
        told.extend(generations.into_iter().map(|(profile, generation)| omnimesh_proto::profiles::v1::ClusterMember {
            profile_id: profile.to_string(),
            root_profile_id: stayed_root.to_string(),
            generation,
        }));
    } else {
        told.extend(place(tx, stayed_root, &moving, &there).await?);
    }
    let mut left_roots = Vec::new();
    for part in &left {
        let own = stands(part).ok_or(Error::Raced)?;
        told.extend(place(tx, own, &list(part), &[]).await?);
        profiles::touch(tx, own).await?;
        left_roots.push(own);
    }
    if stayed_root != root {
        profiles::touch(tx, stayed_root).await?;
    }
    told.sort_by(|a, b| a.profile_id.cmp(&b.profile_id));
    let event = ProfileSplit { profile_id: root.to_string(), members: told };
    let number = profiles::count_event(tx, root, i64::from(stayed_root == root)).await?;
    outbox::append(tx, call, &event.profile_id, number, &event).await?;
    Ok(Some(Parted { stayed: stayed_root, left: left_roots }))
}

fn list(part: &BTreeSet<ProfileId>) -> Vec<ProfileId> {
    part.iter().copied().collect()
}

fn ids(part: &BTreeSet<ProfileId>) -> Vec<Uuid> {
    part.iter().map(|profile| profile.0).collect()
}
