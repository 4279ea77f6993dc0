//! A customer as the fold of everything that was asserted.

use std::collections::BTreeMap;

use omnimesh_kit::{ids::ProfileId, store::Conn};
use omnimesh_proto::{common::v1::Address, profiles::v1 as proto};

use crate::{
    error::Error,
    store::{
        assertions, clusters, identifiers, merges,
        profiles::{self, Profile},
        uuids,
    },
};

/// The most addresses that are shown.
const ADDRESSES: usize = 10;

/// The customer that a profile is part of, as its survivor; `None` if there is no such profile. Customers are not shown what
/// holds them together.
pub(crate) async fn whole(
    conn: &mut Conn,
    root: ProfileId,
    for_customer: bool,
) -> Result<Option<proto::Profile>, Error> {
    Ok(all(conn, &[root], for_customer).await?.remove(&root))
}

/// The same with the splits, for those who look at one customer.
pub(crate) async fn with_splits(
    conn: &mut Conn,
    root: ProfileId,
    for_customer: bool,
) -> Result<Option<proto::Profile>, Error> {
    let Some(mut profile) = whole(conn, root, for_customer).await? else { return Ok(None) };
    if !for_customer {
        let members = omnimesh_kit::customers::members(conn, root).await?;
        profile.splits = merges::splits(conn, uuids(&members)).await?;
    }
    Ok(Some(profile))
}

/// Customers by their roots, each as its survivor, in as many statements as one takes. Those that do not exist are left out.
pub(crate) async fn all(
    conn: &mut Conn,
    roots: &[ProfileId],
    for_customer: bool,
) -> Result<BTreeMap<ProfileId, proto::Profile>, Error> {
    let known = profiles::profiles(conn, uuids(roots)).await?;
    let roots: Vec<ProfileId> = known.iter().map(|profile| profile.id).collect();
    let root_of = clusters::members(conn, &roots).await?;
    let mut parts: BTreeMap<ProfileId, Parts> = BTreeMap::new();
    for (member, root) in &root_of {
        parts.entry(*root).or_default().members.push(*member);
    }
    let nodes = uuids(&root_of.keys().copied().collect::<Vec<_>>());
    let root_of = |node: ProfileId| root_of.get(&node).copied().unwrap_or(node);
    for (node, claims) in assertions::best(conn, nodes.clone()).await? {
        parts.entry(root_of(node)).or_default().claims.push(claims);
    }
    for (node, held) in identifiers::held_by(conn, nodes).await? {
        parts.entry(root_of(node)).or_default().held.push(held);
    }
    let joined = parts.values().filter(|parts| !for_customer && parts.members.len() > 1);
    let joined: Vec<_> = joined.flat_map(|parts| uuids(&parts.members)).collect();
    if !joined.is_empty() {
        for merge in merges::merges(conn, joined).await? {
            parts.entry(root_of(merge.profile)).or_default().merges.push(merge.to_proto());
        }
    }
    let shown = known.into_iter().map(|profile| {
        let parts = parts.remove(&profile.id).unwrap_or_default();
        (profile.id, parts.shown(profile))
    });
    Ok(shown.collect())
}

/// What was read of one customer.
#[derive(Default)]
struct Parts {
    members: Vec<ProfileId>,
    /// The most trusted and newest first.
    claims: Vec<proto::Claims>,
    held: Vec<identifiers::Shown>,
    merges: Vec<proto::Merge>,
}

impl Parts {
    fn shown(self, root: Profile) -> proto::Profile {
        let claims = &self.claims;
        let mut addresses: Vec<Address> = Vec::new();
        for address in claims.iter().flat_map(|claims| &claims.addresses) {
            if addresses.len() < ADDRESSES && !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        let first = |of: fn(&proto::Claims) -> &String| claims.iter().map(of).find(|text| !text.is_empty()).cloned();
        proto::Profile {
            profile_id: root.id.to_string(),
            create_time: Some(root.created_at.to_proto()),
            version: root.version,
            display_name: first(|claims| &claims.name).unwrap_or_default(),
            birth_date: claims.iter().find_map(|claims| date(&claims.birth_date)).unwrap_or_default(),
            addresses,
            identifiers: identifiers::of_one(self.held),
            alias_profile_ids: self.members.iter().filter(|id| **id != root.id).map(ToString::to_string).collect(),
            merges: self.merges,
            splits: Vec::new(),
        }
    }
}

/// What callers see who may only write: which profile took what they said.
pub(crate) fn bare(node: ProfileId) -> proto::Profile {
    proto::Profile { profile_id: node.to_string(), ..proto::Profile::default() }
}

/// YYYY-MM-DD of a date that is written so, or with day and month first.
fn date(text: &str) -> Option<String> {
    let parts: Vec<u32> =
        text.trim().split(['-', '.', '/', ' ']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (year, month, day) = match parts.as_slice() {
        [year, month, day] if *year >= 1_000 => (year, month, day),
        [day, month, year] => (year, month, day),
        _ => return None,
    };
    let fits = (1_000..=9_999).contains(year) && (1..=12).contains(month) && (1..=31).contains(day);
    fits.then(|| format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for text in ["1990-02-01", "1.2.1990", "01/02/1990", " 1990-2-1 "] {
            assert_eq!(date(text).as_deref(), Some("1990-02-01"), "{text}");
        }
        for text in ["", "1990", "1990-13-01", "01.02.90", "x"] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
