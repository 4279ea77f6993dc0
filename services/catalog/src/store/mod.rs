//! The SQL: one module per table or question, named constants and one function per question.

pub mod locations;
pub mod prices;
pub mod products;
pub mod reservations;
pub mod settings;
pub mod stock;
pub mod taxes;

use omnimesh_kit::store::{Error, Sql};

/// The statements of every module, for the test that prepares them.
pub const STATEMENTS: &[&[(&str, Sql)]] = &[
    locations::STATEMENTS,
    prices::STATEMENTS,
    products::STATEMENTS,
    reservations::STATEMENTS,
    settings::STATEMENTS,
    stock::STATEMENTS,
    taxes::STATEMENTS,
];

/// A column whose text is not what was written there.
fn malformed(column: &str, problem: impl std::fmt::Display) -> Error {
    Error::Column { column: column.to_owned(), problem: problem.to_string() }
}

/// A value as the JSON that a column or a bulk statement takes.
fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| malformed("json", error))
}

/// A column of JSON.
fn from_json<T: serde::de::DeserializeOwned>(column: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| malformed(column, error))
}
