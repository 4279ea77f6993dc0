//! Times as a file writes them.

use anyhow::{Context as _, Result};
use omnimesh_kit::clock::Timestamp;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset, format_description};

use super::mapping::TimeFormat;

/// Reads times by the mapping's format.
pub(super) struct Times {
    written: String,
    format: format_description::OwnedFormatItem,
    offset: UtcOffset,
}

impl Times {
    /// By that format.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn of(format: &TimeFormat) -> Result<Self> {
        let offset_format = format_description::parse_borrowed::<2>("[offset_hour sign:mandatory]:[offset_minute]")?;
        Ok(Self {
            written: format.format.clone(),
            format: format_description::parse_owned::<2>(&format.format)
                .with_context(|| format!("`time.format` {:?} is not a format description", format.format))?,
            offset: UtcOffset::parse(&format.utc_offset, &offset_format)
                .with_context(|| format!("`time.utc_offset` {:?} is not like +03:00", format.utc_offset))?,
        })
    }

    /// The moment that a field of that column names.
    ///
    /// # Errors
    /// What would be accepted, if it names none.
    pub(super) fn read(&self, column: &str, text: &str) -> Result<Timestamp, String> {
        let moment = OffsetDateTime::parse(text, &self.format).ok().or_else(|| {
            PrimitiveDateTime::parse(text, &self.format).ok().map(|local| local.assume_offset(self.offset))
        });
        moment
            .and_then(|moment| i64::try_from(moment.unix_timestamp_nanos() / 1_000).ok())
            .map(Timestamp::from_micros)
            .ok_or_else(|| format!("{column} {text:?} is not a time of the form {}", self.written))
    }
}
