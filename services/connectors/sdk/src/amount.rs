//! Numbers as vendors write them: money and ids are taken from the text of the JSON, never through a binary float, which
//! holds neither 0.1 nor ids above 2^53.

use std::fmt;

use omnimesh_proto::connectors::v1::Amount;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

/// A number or text of JSON, exactly as written: `9007199254740993`, `249.90`, `"249.90"`. Null is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exact(String);

impl Exact {
    /// The digits or the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The decimal that it is, if it is one.
    #[must_use]
    pub fn decimal(&self) -> Option<Decimal> {
        decimal(&self.0)
    }

    /// The whole number that it is, if it is one: `2` and `2.0` are.
    #[must_use]
    pub fn whole(&self) -> Option<i64> {
        let whole = self.decimal().filter(Decimal::is_integer)?.normalize();
        i64::try_from(whole.mantissa()).ok().filter(|_| whole.scale() == 0)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw.get()).map(Self).map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self(raw.get().to_owned())),
            Some(b'n') => Ok(Self::default()),
            _ => Err(D::Error::custom("a number or a text is accepted")),
        }
    }
}

/// The decimal of a text, exact; none if it is no decimal or has more digits than a decimal of 96 bits holds.
#[must_use]
pub fn decimal(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) { Decimal::from_scientific(text).ok() } else { Decimal::from_str_exact(text).ok() }
}

/// The contract's form of an amount.
#[must_use]
pub fn amount(value: Decimal, currency_code: &str) -> Amount {
    Amount { decimal: value.to_string(), currency_code: currency_code.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Exact> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn numbers_are_what_is_written() {
        for (json, text) in [
            ("9007199254740993", "9007199254740993"),
            ("18446744073709551616", "18446744073709551616"),
            ("0.1", "0.1"),
            ("249.90", "249.90"),
            ("\"249.90\"", "249.90"),
            ("\"pf+ş\\u011f@x\"", "pf+şğ@x"),
            ("null", ""),
        ] {
            assert_eq!(read(json).unwrap().as_str(), text, "{json}");
        }
        assert_eq!([read("true"), read("{}"), read("[1]")], [None, None, None]);
    }

    #[test]
    fn decimals_and_whole_numbers() {
        assert_eq!(read("249.90").unwrap().decimal().unwrap().to_string(), "249.90");
        assert_eq!(read("1.5e2").unwrap().whole(), Some(150));
        assert_eq!(read("9007199254740993").unwrap().whole(), Some(9_007_199_254_740_993));
        assert_eq!([read("2.0"), read("2.5"), read("\"x\"")].map(|n| n.unwrap().whole()), [Some(2), None, None]);
        assert_eq!(amount(decimal("0.1").unwrap() + decimal("0.2").unwrap(), "TRY").decimal, "0.3");
    }
}
