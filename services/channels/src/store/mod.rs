//! The SQL of this service: one file per concern, with its statements as constants and one function per question.

pub mod accounts;
pub mod actions;
pub mod dead_letters;
pub mod looks;
pub mod units;

use omnimesh_kit::store::{Error, Sql};

/// All statements, for the test that prepares them on both databases.
pub const STATEMENTS: &[&[(&str, Sql)]] = &[
    accounts::sql::STATEMENTS,
    actions::sql::STATEMENTS,
    dead_letters::sql::STATEMENTS,
    looks::sql::STATEMENTS,
    units::sql::STATEMENTS,
];

fn malformed(column: &str) -> Error {
    Error::Column { column: column.to_owned(), problem: "not one of the known forms".to_owned() }
}
