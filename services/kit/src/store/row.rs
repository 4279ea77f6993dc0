//! A row of either database, read by column name.

use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};
use uuid::Uuid;

use crate::{clock::Timestamp, store::Error};

/// One row of an answer.
pub enum Row {
    /// From Postgres.
    Postgres(PgRow),
    /// From SQLite.
    Sqlite(SqliteRow),
}

impl Row {
    /// The content of a column.
    ///
    /// # Errors
    /// If there is no such column, or its content is not a `T`.
    pub fn get<T: Column>(&self, column: &str) -> Result<T, Error> {
        T::read(self, column)
    }
}

impl std::fmt::Debug for Row {
    // Rows hold personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row(***)")
    }
}

/// A type that a column can be read as.
pub trait Column: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// If there is no such column, or its content is another type.
    fn read(row: &Row, column: &str) -> Result<Self, Error>;
}

macro_rules! columns {
    ($($type:ty),+) => {$(
        impl Column for $type {
            fn read(row: &Row, column: &str) -> Result<Self, Error> {
                // By way of Option: SQLite's driver reads NULL as 0 or as an empty text.
                Option::<$type>::read(row, column)?
                    .ok_or_else(|| Error::Column { column: column.to_owned(), problem: "is NULL".to_owned() })
            }
        }

        impl Column for Option<$type> {
            fn read(row: &Row, column: &str) -> Result<Self, Error> {
                Ok(match row {
                    Row::Postgres(row) => row.try_get(column)?,
                    Row::Sqlite(row) => row.try_get(column)?,
                })
            }
        }
    )+};
}

columns!(bool, i64, String, Vec<u8>, Uuid);

macro_rules! converted {
    ($($type:ty, $from:ty, $convert:expr;)+) => {$(
        impl Column for $type {
            fn read(row: &Row, column: &str) -> Result<Self, Error> {
                convert(column, <$from>::read(row, column)?, $convert)
            }
        }

        impl Column for Option<$type> {
            fn read(row: &Row, column: &str) -> Result<Self, Error> {
                Option::<$from>::read(row, column)?.map(|value| convert(column, value, $convert)).transpose()
            }
        }
    )+};
}

converted! {
    i32, i64, |value| i32::try_from(value).ok();
    u32, i64, |value| u32::try_from(value).ok();
    Timestamp, i64, |value| Some(Timestamp::from_micros(value));
    [u8; 32], Vec<u8>, |value: Vec<u8>| value.try_into().ok();
}

fn convert<F, T>(column: &str, value: F, convert: impl FnOnce(F) -> Option<T>) -> Result<T, Error> {
    convert(value)
        .ok_or_else(|| Error::Column { column: column.to_owned(), problem: "out of the expected range".to_owned() })
}
