//! The SQL of this service: one file per concern, with its statements as constants and one function per question.

pub(crate) mod assertions;
pub(crate) mod clusters;
pub(crate) mod consents;
pub(crate) mod erasures;
pub(crate) mod evidence;
pub(crate) mod identifiers;
pub(crate) mod merges;
pub(crate) mod owners;
pub(crate) mod profiles;
pub(crate) mod search;
pub(crate) mod suggestions;
pub(crate) mod timeline;
pub(crate) mod view;

use omnimesh_kit::{ids::ProfileId, store::Sql};
use uuid::Uuid;

/// All statements, for the test that prepares them on both databases.
pub const STATEMENTS: &[&[(&str, Sql)]] = &[
    assertions::STATEMENTS,
    clusters::STATEMENTS,
    consents::STATEMENTS,
    erasures::STATEMENTS,
    evidence::STATEMENTS,
    identifiers::STATEMENTS,
    merges::STATEMENTS,
    owners::STATEMENTS,
    profiles::STATEMENTS,
    search::STATEMENTS,
    suggestions::STATEMENTS,
    timeline::STATEMENTS,
    view::STATEMENTS,
];

/// Profiles as a list of values.
pub(crate) fn uuids(profiles: &[ProfileId]) -> Vec<Uuid> {
    profiles.iter().map(|profile| profile.0).collect()
}
