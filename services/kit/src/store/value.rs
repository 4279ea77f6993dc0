//! What can be bound to a placeholder: typed also when NULL, because Postgres wants to know.

use sqlx::{Arguments as _, postgres::PgArguments, sqlite::SqliteArguments};
use uuid::Uuid;

use crate::{clock::Timestamp, store::Error};

/// A bound value. Made by [`args!`](crate::args).
#[derive(Clone, Debug)]
pub enum Value {
    /// BIGINT.
    Int(Option<i64>),
    /// BOOLEAN.
    Bool(Option<bool>),
    /// TEXT.
    Text(Option<String>),
    /// BYTEA or BLOB.
    Bytes(Option<Vec<u8>>),
    /// UUID, or a BLOB of 16 bytes.
    Uuid(Option<Uuid>),
    /// An array on Postgres (`= ANY($1)`), JSON on SQLite (`IN (SELECT value FROM json_each($1))`).
    Ints(Vec<i64>),
    /// As [`Value::Ints`], for texts.
    Texts(Vec<String>),
    /// As [`Value::Ints`], for uuids: on SQLite hexadecimal, `IN (SELECT unhex(value) FROM json_each($1))`.
    Uuids(Vec<Uuid>),
}

/// The values of a statement's placeholders, in their order: `args![cart.id.0, version, "text", None::<String>]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { [$($crate::store::Value::from($value)),*] };
}

macro_rules! values {
    ($($from:ty => $variant:ident, |$value:ident| $convert:expr;)+) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self::$variant(Some($convert))
            }
        }

        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$variant(value.map(|$value| $convert))
            }
        }
    )+};
}

values! {
    i64 => Int, |value| value;
    i32 => Int, |value| i64::from(value);
    u32 => Int, |value| i64::from(value);
    Timestamp => Int, |value| value.micros();
    bool => Bool, |value| value;
    String => Text, |value| value;
    &String => Text, |value| value.clone();
    &str => Text, |value| value.to_owned();
    Vec<u8> => Bytes, |value| value;
    &Vec<u8> => Bytes, |value| value.clone();
    &[u8] => Bytes, |value| value.to_vec();
    [u8; 32] => Bytes, |value| value.to_vec();
    &[u8; 32] => Bytes, |value| value.to_vec();
    Uuid => Uuid, |value| value;
}

macro_rules! lists {
    ($($from:ty => $variant:ident;)+) => {$(
        impl From<Vec<$from>> for Value {
            fn from(values: Vec<$from>) -> Self {
                Self::$variant(values)
            }
        }

        impl From<&[$from]> for Value {
            fn from(values: &[$from]) -> Self {
                Self::$variant(values.to_vec())
            }
        }
    )+};
}

lists! {
    i64 => Ints;
    String => Texts;
    Uuid => Uuids;
}

pub(super) fn postgres(values: impl IntoIterator<Item = Value>) -> Result<PgArguments, Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value),
            Value::Bool(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            Value::Uuid(value) => arguments.add(value),
            Value::Ints(values) => arguments.add(values),
            Value::Texts(values) => arguments.add(values),
            Value::Uuids(values) => arguments.add(values),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

pub(super) fn sqlite(values: impl IntoIterator<Item = Value>) -> Result<SqliteArguments, Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Int(value) => sqlx::Arguments::add(&mut arguments, value),
            Value::Bool(value) => sqlx::Arguments::add(&mut arguments, value),
            Value::Text(value) => sqlx::Arguments::add(&mut arguments, value),
            Value::Bytes(value) => sqlx::Arguments::add(&mut arguments, value),
            Value::Uuid(value) => sqlx::Arguments::add(&mut arguments, value),
            Value::Ints(values) => sqlx::Arguments::add(&mut arguments, serde_json::Value::from(values).to_string()),
            Value::Texts(values) => sqlx::Arguments::add(&mut arguments, serde_json::Value::from(values).to_string()),
            Value::Uuids(values) => {
                let values: Vec<String> = values.into_iter().map(|id| id.simple().to_string()).collect();
                sqlx::Arguments::add(&mut arguments, serde_json::Value::from(values).to_string())
            }
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
