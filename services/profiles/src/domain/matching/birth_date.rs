//! Dates of birth in the orders people write them.

use serde::{Deserialize, Serialize};

/// A date; day and month as they were read, which may be the wrong way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BirthDate(pub(super) u16, pub(super) u8, pub(super) u8);

impl BirthDate {
    /// Reads `1990-02-01`, `01.02.1990`, `1/2/1990`, `19900201`. `None` for dummies and what is no date.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
        let (year, month, day) = match parts.as_slice() {
            // A time of day may follow.
            [year, month, day, ..] if year.len() == 4 => (*year, *month, *day),
            [day, month, year, ..] if year.len() == 4 => (*year, *month, *day),
            [packed] if packed.len() == 8 => (packed.get(..4)?, packed.get(4..6)?, packed.get(6..)?),
            _ => return None,
        };
        let date = Self(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        (!date.is_dummy()).then_some(date)
    }

    /// The default of a form: new year's day of a round year, or a year nobody alive was born in.
    fn is_dummy(self) -> bool {
        let Self(year, month, day) = self;
        let new_year = month == 1 && day == 1;
        year <= 1900 || (month == 0 || day == 0) || (new_year && (year % 10 == 0 || year == 1901))
    }

    /// Day and month the other way round.
    pub(super) fn swapped(self) -> Self {
        Self(self.0, self.2, self.1)
    }

    /// Whether one digit is all that is between two dates, or the century.
    pub(super) fn is_near(self, other: Self) -> bool {
        let digits = |date: Self| format!("{:04}{:02}{:02}", date.0, date.1, date.2);
        let (a, b) = (digits(self), digits(other));
        let wrong = a.bytes().zip(b.bytes()).filter(|(x, y)| x != y).count();
        wrong <= 1 || strsim::osa_distance(&a, &b) <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for text in ["1958-09-02", "02.09.1958", "2/9/1958", "19580902", "1958-09-02T00:00:00Z"] {
            assert_eq!(BirthDate::parse(text), Some(BirthDate(1958, 9, 2)), "{text}");
        }
        assert_eq!(BirthDate::parse("09/02/1958"), Some(BirthDate(1958, 9, 2).swapped()));
    }

    #[test]
    fn dummies_and_slips() {
        for text in ["1900-01-01", "01.01.1970", "01/01/1980", "", "13.13", "0000-00-00"] {
            assert_eq!(BirthDate::parse(text), None, "{text}");
        }
        let date = BirthDate(1987, 3, 9);
        assert!(date.is_near(BirthDate(1978, 3, 9)) && date.is_near(BirthDate(1987, 3, 8)));
        assert!(!date.is_near(BirthDate(1985, 3, 8)));
    }
}
