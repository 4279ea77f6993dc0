//! The SQL: named constants, one function per question.

pub mod erasure;
pub mod events;
pub mod imports;
pub mod lists;
pub mod orders;
pub mod payments;
pub mod pickups;
pub mod returns;
pub mod tasks;

use omnimesh_kit::store::Sql;

/// Every list of statements of this service.
pub const STATEMENTS: &[&[(&str, Sql)]] = &[
    erasure::sql::STATEMENTS,
    events::sql::STATEMENTS,
    imports::sql::STATEMENTS,
    lists::sql::STATEMENTS,
    orders::sql::STATEMENTS,
    payments::sql::STATEMENTS,
    pickups::sql::STATEMENTS,
    returns::sql::STATEMENTS,
    tasks::sql::STATEMENTS,
];
