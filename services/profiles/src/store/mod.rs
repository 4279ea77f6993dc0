//! The SQL of this service: one file per concern, with its statements as constants and one function per question.

pub(crate) mod identifiers;
pub(crate) mod owners;
pub(crate) mod profiles;
pub(crate) mod timeline;

use omnimesh_kit::store::Sql;

/// All statements, for the test that prepares them on both databases.
pub const STATEMENTS: &[&[(&str, Sql)]] =
    &[identifiers::STATEMENTS, owners::STATEMENTS, profiles::STATEMENTS, timeline::STATEMENTS];
