//! Validity: from a start, until an end. Open ends are the extreme moments, so that one comparison does for all.

use omnimesh_kit::{clock::Timestamp, validate::Violations};

/// The start of what is always valid.
pub const ALWAYS: Timestamp = Timestamp::from_micros(i64::MIN);
/// The end of what is valid for ever.
pub const FOREVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// From `start` until `end`, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub start: Timestamp,
    /// The first moment after.
    pub end: Timestamp,
}

impl Span {
    /// Whether the moment lies in it.
    #[must_use]
    pub fn contains(self, moment: Timestamp) -> bool {
        self.start <= moment && moment < self.end
    }

    /// The first moment after `now` at which it begins or ends.
    #[must_use]
    pub fn next_change(self, now: Timestamp) -> Option<Timestamp> {
        [self.start, self.end].into_iter().filter(|moment| *moment > now && *moment != FOREVER).min()
    }
}

/// An optional moment of a request; `open` stands for an absent one.
pub(crate) fn moment_or(
    v: &mut Violations,
    field: &str,
    moment: Option<&prost_types::Timestamp>,
    open: Timestamp,
) -> Option<Timestamp> {
    match moment {
        None => Some(open),
        Some(_) => v.timestamp(field, moment),
    }
}

/// The wire's form: absent at an open end.
#[must_use]
pub fn to_proto(moment: Timestamp) -> Option<prost_types::Timestamp> {
    (moment != ALWAYS && moment != FOREVER).then(|| moment.to_proto())
}
