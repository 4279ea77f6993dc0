//! Coupons: what they take off, and when they apply.

use std::collections::BTreeSet;

use omnimesh_kit::{
    clock::Timestamp,
    money::{Money, MoneyError},
};
use serde::{Deserialize, Serialize};

/// What a coupon takes off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Benefit {
    /// Millionths of the goods' value.
    PercentPpm(i64),
    /// An amount, at most the goods' value.
    Amount(Money),
}

/// A coupon and its rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    /// Upper case.
    pub code: String,
    /// What it takes off.
    pub benefit: Benefit,
    /// The goods' value it needs.
    pub minimum: Option<Money>,
    /// Only these SKUs; empty for all.
    pub skus: BTreeSet<String>,
    /// Only these channels, as the contract numbers them; empty for all.
    pub channels: BTreeSet<i32>,
    /// From when on.
    pub starts_at: Option<Timestamp>,
    /// Until when, exclusive.
    pub ends_at: Option<Timestamp>,
    /// Whether it may stand beside other coupons.
    pub combinable: bool,
}

/// A code as it is stored: upper case. `None` unless it has 3 to 32 letters, digits and hyphens.
#[must_use]
pub fn canonical_code(code: &str) -> Option<String> {
    let code = code.trim();
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    ((3..=32).contains(&code.len()) && code.bytes().all(known)).then(|| code.to_ascii_uppercase())
}

impl Coupon {
    /// Whether it takes something off that SKU.
    #[must_use]
    pub fn covers(&self, sku: &str) -> bool {
        self.skus.is_empty() || self.skus.contains(sku)
    }

    /// The moment after `now` at which it starts or stops to apply.
    #[must_use]
    pub fn next_turn(&self, now: Timestamp) -> Option<Timestamp> {
        [self.starts_at, self.ends_at].into_iter().flatten().filter(|turn| *turn > now).min()
    }

    /// What it takes off goods of that value, of which `left` is not discounted yet; or why nothing. Percentages are of the
    /// value before other coupons.
    ///
    /// # Errors
    /// If an amount is out of range.
    pub fn discount(
        &self,
        value: Money,
        left: Money,
        channel: i32,
        now: Timestamp,
    ) -> Result<Result<Money, String>, MoneyError> {
        if self.starts_at.is_some_and(|start| now < start) {
            return Ok(Err("it is not valid yet".to_owned()));
        }
        if self.ends_at.is_some_and(|end| now >= end) {
            return Ok(Err("it is no longer valid".to_owned()));
        }
        if !self.channels.is_empty() && !self.channels.contains(&channel) {
            return Ok(Err("it is not valid in this channel".to_owned()));
        }
        let amounts = [self.minimum, if let Benefit::Amount(amount) = self.benefit { Some(amount) } else { None }];
        if let Some(other) = amounts.into_iter().flatten().find(|amount| amount.currency != value.currency) {
            return Ok(Err(format!("it is for carts in {}", other.currency)));
        }
        if value.is_zero() {
            return Ok(Err("the cart has no goods that it is for".to_owned()));
        }
        if let Some(minimum) = self.minimum
            && value.micros < minimum.micros
        {
            return Ok(Err(format!("it needs goods of at least {minimum}")));
        }
        let off = match self.benefit {
            Benefit::PercentPpm(ppm) => value.rate_to_minor(ppm)?,
            Benefit::Amount(amount) => amount,
        };
        Ok(Ok(off.min(left)?))
    }
}
