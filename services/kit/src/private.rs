//! Personal data: readable where it is asked for, `***` wherever it would slip into a log, a span or an error.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that prints as `***`. Serde sees the value itself: it is stored and sent, but never printed by accident.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private<T>(T);

impl<T> Private<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for those who have a reason to see it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Private<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> fmt::Display for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nothing_and_stores_everything() {
        let email = Private::new("ada@example.com".to_owned());
        assert_eq!(format!("{email} {email:?} {:?}", Some(&email)), "*** *** Some(***)");
        assert_eq!(email.expose(), "ada@example.com");
        let json = serde_json::to_string(&email).unwrap();
        assert_eq!(json, "\"ada@example.com\"");
        assert_eq!(serde_json::from_str::<Private<String>>(&json).unwrap(), email);
    }
}
