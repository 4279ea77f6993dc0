//! Money: 64-bit integers of micro-units (10^-6) and a currency of ISO 4217. Never floating point.
//!
//! A unit price may be finer than the minor unit; what is charged is rounded to it once, half away from zero, at the place
//! that calls [`Money::round_to_minor`] or one of the `*_to_minor` operations.

mod currency;
mod decimal;
mod split;

use std::fmt;

use omnimesh_proto::common::v1::{self, ErrorReason};
use serde::{Deserialize, Serialize};
use tonic::Code;

use crate::error::Fault;

pub use currency::Currency;
pub use split::split_by_largest_remainder;

const MICROS: i64 = 1_000_000;

/// What can be wrong with amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a code of the table.
    #[error("not an active ISO 4217 currency code: three upper-case letters are expected, such as TRY")]
    UnknownCurrency,
    /// Two currencies in one operation.
    #[error("amounts of {0} and {1} can't be combined")]
    CurrencyMismatch(Currency, Currency),
    /// Over 9.2 * 10^12 units.
    #[error("the amount is out of range: at most 9,223,372,036,854 units are accepted")]
    Overflow,
    /// Not a decimal number.
    #[error("not a decimal amount: an optional sign, digits, and at most six decimals after a point are accepted")]
    NotDecimal,
    /// Finer than a micro-unit.
    #[error("the amount is finer than a millionth of a unit")]
    TooFine,
    /// `units` and `nanos` of google.type.Money contradict each other.
    #[error("units and nanos must have the same sign, and nanos lie within 999,999,999")]
    MalformedProto,
    /// Nothing to split by.
    #[error("an amount is split by weights that are not negative and not all zero")]
    BadWeights,
}

impl MoneyError {
    /// INVALID_ARGUMENT for that field of the request.
    #[must_use]
    pub fn at(self, field: &str) -> Fault {
        let reason = match self {
            Self::CurrencyMismatch(..) => ErrorReason::WrongCurrency,
            _ => ErrorReason::InvalidRequest,
        };
        Fault::new(Code::InvalidArgument, reason, format!("{field}: {self}")).field(field, self.to_string())
    }
}

impl From<MoneyError> for Fault {
    fn from(error: MoneyError) -> Self {
        let reason = match error {
            MoneyError::CurrencyMismatch(..) => ErrorReason::WrongCurrency,
            _ => ErrorReason::InvalidRequest,
        };
        Self::new(Code::InvalidArgument, reason, error.to_string())
    }
}

/// An amount of one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// The currency.
    pub currency: Currency,
    /// Millionths of a unit.
    pub micros: i64,
}

impl Money {
    /// Nothing, in that currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { currency, micros: 0 }
    }

    /// An amount in micro-units.
    #[must_use]
    pub const fn from_micros(currency: Currency, micros: i64) -> Self {
        Self { currency, micros }
    }

    /// From the wire.
    ///
    /// # Errors
    /// If the currency is unknown, the parts contradict each other, or the amount is too fine or too large.
    pub fn from_proto(proto: &v1::Money) -> Result<Self, MoneyError> {
        let currency: Currency = proto.currency_code.parse()?;
        let nanos = i64::from(proto.nanos);
        if nanos.abs() > 999_999_999 || (proto.units > 0 && nanos < 0) || (proto.units < 0 && nanos > 0) {
            return Err(MoneyError::MalformedProto);
        }
        if nanos % 1_000 != 0 {
            return Err(MoneyError::TooFine);
        }
        let whole = proto.units.checked_mul(MICROS).ok_or(MoneyError::Overflow)?;
        let micros = whole.checked_add(nanos / 1_000).ok_or(MoneyError::Overflow)?;
        Ok(Self { currency, micros })
    }

    /// For the wire.
    #[must_use]
    pub fn to_proto(self) -> v1::Money {
        v1::Money {
            currency_code: self.currency.code().to_owned(),
            units: self.micros / MICROS,
            // A remainder of a million times a thousand always fits.
            nanos: i32::try_from(self.micros % MICROS * 1_000).unwrap_or_default(),
        }
    }

    /// From a decimal text such as `-2.55`, exactly.
    ///
    /// # Errors
    /// If the text is no decimal number, is finer than a micro-unit or too large.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        Ok(Self { currency, micros: decimal::parse(text)? })
    }

    /// The decimal text, with at least the digits of the minor unit: `2.50`, `0.001`.
    #[must_use]
    pub fn to_decimal_string(self) -> String {
        decimal::format(self.micros, self.currency.minor_digits())
    }

    /// Whether nothing is owed.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.micros == 0
    }

    /// Whether the amount is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.micros < 0
    }

    /// Whether the amount is a whole number of minor units.
    #[must_use]
    pub const fn is_on_minor(self) -> bool {
        self.micros % self.currency.minor_micros() == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// If the currencies differ or the sum is out of range.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let micros = self.micros.checked_add(other.micros).ok_or(MoneyError::Overflow)?;
        Ok(Self { micros, ..self })
    }

    /// The difference.
    ///
    /// # Errors
    /// If the currencies differ or the difference is out of range.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let micros = self.micros.checked_sub(other.micros).ok_or(MoneyError::Overflow)?;
        Ok(Self { micros, ..self })
    }

    /// The opposite amount.
    ///
    /// # Errors
    /// If it is out of range.
    pub fn checked_neg(self) -> Result<Self, MoneyError> {
        Ok(Self { micros: self.micros.checked_neg().ok_or(MoneyError::Overflow)?, ..self })
    }

    /// The amount for that quantity, exactly.
    ///
    /// # Errors
    /// If it is out of range.
    pub fn checked_mul_int(self, quantity: i64) -> Result<Self, MoneyError> {
        Ok(Self { micros: self.micros.checked_mul(quantity).ok_or(MoneyError::Overflow)?, ..self })
    }

    /// The sum of many amounts of one currency.
    ///
    /// # Errors
    /// If a currency differs or the sum is out of range.
    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::checked_add)
    }

    /// The greater of two amounts.
    ///
    /// # Errors
    /// If the currencies differ.
    pub fn max(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Ok(if self.micros >= other.micros { self } else { other })
    }

    /// The smaller of two amounts.
    ///
    /// # Errors
    /// If the currencies differ.
    pub fn min(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Ok(if self.micros <= other.micros { self } else { other })
    }

    /// Rounded to the minor unit, half away from zero: 2.005 TRY is 2.01, -2.005 TRY is -2.01.
    ///
    /// # Errors
    /// If the rounded amount is out of range.
    pub fn round_to_minor(self) -> Result<Self, MoneyError> {
        self.ratio_to_minor(1, 1)
    }

    /// `amount * numerator / denominator`, rounded once, to the minor unit. (Rounding to micro-units first and to the minor
    /// unit afterwards would round twice, and sometimes differently.)
    ///
    /// # Errors
    /// If the denominator is zero or the result out of range.
    pub fn ratio_to_minor(self, numerator: i64, denominator: i64) -> Result<Self, MoneyError> {
        let minor = i128::from(self.currency.minor_micros());
        let product = i128::from(self.micros) * i128::from(numerator);
        let units = divide_half_away(product, i128::from(denominator) * minor).ok_or(MoneyError::Overflow)?;
        let micros = i64::try_from(units * minor).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { micros, ..self })
    }

    /// That many parts per million of the amount, rounded to the minor unit: the tax on a net price, a percentage off.
    ///
    /// # Errors
    /// If the result is out of range.
    pub fn rate_to_minor(self, ppm: i64) -> Result<Self, MoneyError> {
        self.ratio_to_minor(ppm, MICROS)
    }

    /// The tax contained in a gross amount at that many parts per million, rounded to the minor unit.
    ///
    /// # Errors
    /// If the result is out of range or the rate is -100 %.
    pub fn included_rate_to_minor(self, ppm: i64) -> Result<Self, MoneyError> {
        self.ratio_to_minor(ppm, MICROS.checked_add(ppm).ok_or(MoneyError::Overflow)?)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(self.currency, other.currency))
        }
    }
}

/// `numerator / denominator`, half away from zero; `None` for a division by zero.
fn divide_half_away(numerator: i128, denominator: i128) -> Option<i128> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_rem(denominator)?;
    let away = remainder.unsigned_abs() * 2 >= denominator.unsigned_abs();
    let sign = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
    Some(if remainder != 0 && away { quotient + sign } else { quotient })
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal_string(), self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
