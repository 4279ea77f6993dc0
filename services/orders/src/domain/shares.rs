//! What pieces of a line come to: every part that is taken off a line, cancelled or refunded, leaves a rest, and part and rest
//! sum exactly to what was. So do all parts together, in whatever order and size they are taken.

use std::ops::{Add, Sub};

use omnimesh_kit::money::{Currency, Money, split_by_largest_remainder};
use serde::{Deserialize, Serialize};

use super::{Line, Refused};

/// The amounts of some pieces of a line. Micro-units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Before discounts.
    pub subtotal: i64,
    /// Their part of the discounts.
    #[serde(default)]
    pub discount: i64,
    /// Their tax.
    #[serde(default)]
    pub tax: i64,
    /// What they cost with tax.
    pub total: i64,
}

impl Amounts {
    /// What is left of a line.
    #[must_use]
    pub const fn of(line: &Line) -> Self {
        Self { subtotal: line.subtotal, discount: line.discount, tax: line.tax, total: line.total }
    }

    /// Takes the share of `taken` pieces out of `pieces`: what stays, and the share.
    ///
    /// # Errors
    /// If more are taken than there are.
    pub fn split(
        self,
        currency: Currency,
        tax_included: bool,
        pieces: i64,
        taken: i64,
    ) -> Result<(Self, Self), Refused> {
        let weights = [pieces - taken, taken];
        let cut = |micros: i64| -> Result<(i64, i64), Refused> {
            let parts = split_by_largest_remainder(Money::from_micros(currency, micros), &weights)?;
            let part = |place: usize| parts.get(place).map_or(0, |part| part.micros);
            Ok((part(0), part(1)))
        };
        // What is paid is split by itself, so that no rounding of its parts makes it wrong.
        let (total, discount, tax) = (cut(self.total)?, cut(self.discount)?, cut(self.tax)?);
        let net = |total: i64, discount: i64, tax: i64| total + discount - if tax_included { 0 } else { tax };
        let subtotal = if net(self.total, self.discount, self.tax) == self.subtotal {
            (net(total.0, discount.0, tax.0), net(total.1, discount.1, tax.1))
        } else {
            // Imported lines may sum otherwise.
            cut(self.subtotal)?
        };
        Ok((
            Self { subtotal: subtotal.0, discount: discount.0, tax: tax.0, total: total.0 },
            Self { subtotal: subtotal.1, discount: discount.1, tax: tax.1, total: total.1 },
        ))
    }
}

impl Add for Amounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            subtotal: self.subtotal + other.subtotal,
            discount: self.discount + other.discount,
            tax: self.tax + other.tax,
            total: self.total + other.total,
        }
    }
}

impl Sub for Amounts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            subtotal: self.subtotal - other.subtotal,
            discount: self.discount - other.discount,
            tax: self.tax - other.tax,
            total: self.total - other.total,
        }
    }
}
