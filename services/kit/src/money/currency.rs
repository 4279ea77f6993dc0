//! Currencies: ISO 4217, the codes in use and their minor units.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MoneyError;

/// Active codes of ISO 4217 by the digits of their minor unit, each list sorted. Metals, test codes and XXX, which have no
/// minor unit, are left out: nothing is sold in them.
const CURRENCIES: [(u8, &[&str]); 4] = [
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
            "XOF", "XPF",
        ],
    ),
    (
        2,
        &[
            "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BMD", "BND", "BOB",
            "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CNY", "COP", "COU",
            "CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL",
            "GHS", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES",
            "KGS", "KHR", "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK",
            "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR",
            "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SDG",
            "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP",
            "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "USN", "UYU", "UZS", "VED", "VES", "WST", "XAD", "XCD", "XCG",
            "YER", "ZAR", "ZMW", "ZWG",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
    (4, &["CLF", "UYW"]),
];

/// A currency of ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: &'static str,
    minor_digits: u8,
}

impl Currency {
    /// The three upper-case letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// Decimal digits of the minor unit: JPY 0, TRY 2, KWD 3.
    #[must_use]
    pub const fn minor_digits(self) -> u8 {
        self.minor_digits
    }

    /// The minor unit in micro-units: JPY 1,000,000, TRY 10,000, KWD 1,000.
    #[must_use]
    pub const fn minor_micros(self) -> i64 {
        // No currency has more than the six digits of a micro-unit.
        10i64.pow(6u32.saturating_sub(self.minor_digits as u32))
    }

    /// Every currency the mesh knows.
    pub fn all() -> impl Iterator<Item = Self> {
        CURRENCIES
            .into_iter()
            .flat_map(|(minor_digits, codes)| codes.iter().map(move |code| Self { code, minor_digits }))
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let found = CURRENCIES.iter().find_map(|(minor_digits, codes)| {
            let code = codes.get(codes.binary_search(&text).ok()?)?;
            Some(Self { code, minor_digits: *minor_digits })
        });
        found.ok_or(MoneyError::UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_well_formed() {
        assert!(CURRENCIES.iter().all(|(_, codes)| codes.is_sorted_by(|a, b| a < b)));
        assert_eq!(Currency::all().count(), 165);
        for currency in Currency::all() {
            assert_eq!(currency.code().len(), 3);
            assert!(currency.minor_digits() <= 4);
            assert_eq!(currency.code().parse::<Currency>(), Ok(currency));
        }
    }

    #[test]
    fn knows_the_minor_units() {
        for (code, micros) in [("JPY", 1_000_000), ("TRY", 10_000), ("KWD", 1_000), ("CLF", 100)] {
            assert_eq!(code.parse::<Currency>().unwrap().minor_micros(), micros);
        }
        for bad in ["", "try", "TRYX", "XXX", "TL"] {
            assert_eq!(bad.parse::<Currency>(), Err(MoneyError::UnknownCurrency));
        }
    }
}
