//! A customer as the fold of everything that was asserted.

use omnimesh_kit::{customers, ids::ProfileId, store::Conn};
use omnimesh_proto::{common::v1::Address, profiles::v1 as proto};

use crate::{
    error::Error,
    store::{assertions, identifiers, merges, profiles, uuids},
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
    let Some(profile) = profiles::profile(conn, root).await? else { return Ok(None) };
    let members = customers::members(conn, root).await?;
    let nodes = uuids(&members);
    let claims = assertions::best(conn, nodes.clone()).await?;
    let merges =
        if for_customer || members.len() == 1 { Vec::new() } else { merges::merges(conn, nodes.clone()).await? };
    let mut addresses: Vec<Address> = Vec::new();
    for address in claims.iter().flat_map(|claims| &claims.addresses) {
        if addresses.len() < ADDRESSES && !addresses.contains(address) {
            addresses.push(address.clone());
        }
    }
    let first = |of: fn(&proto::Claims) -> &String| claims.iter().map(of).find(|text| !text.is_empty()).cloned();
    Ok(Some(proto::Profile {
        profile_id: root.to_string(),
        identifiers: identifiers::identifiers(conn, nodes).await?,
        create_time: Some(profile.created_at.to_proto()),
        version: profile.version,
        display_name: first(|claims| &claims.name).unwrap_or_default(),
        birth_date: claims.iter().find_map(|claims| date(&claims.birth_date)).unwrap_or_default(),
        addresses,
        alias_profile_ids: members.iter().filter(|member| **member != root).map(ToString::to_string).collect(),
        merges: merges.iter().map(merges::Merge::to_proto).collect(),
    }))
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
