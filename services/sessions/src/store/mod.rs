//! The SQL of this service: one file per concern, with its statements as constants and one function per question.

pub(crate) mod endings;
pub(crate) mod handoffs;
pub(crate) mod keys;
pub(crate) mod sessions;
pub(crate) mod verifications;

use omnimesh_kit::store::{Error, Sql};

/// All statements, for the test that prepares them on both databases.
pub const STATEMENTS: &[&[(&str, Sql)]] =
    &[endings::STATEMENTS, handoffs::STATEMENTS, keys::STATEMENTS, sessions::STATEMENTS, verifications::STATEMENTS];

fn malformed(column: &str) -> Error {
    Error::Column { column: column.to_owned(), problem: "not one of the known forms".to_owned() }
}
