//! How the goods reach the customer: shipping methods, their fees and promises; or a store.

use std::collections::{BTreeMap, BTreeSet};

use omnimesh_kit::{
    clock::Timestamp,
    money::{Currency, Money},
    private::Private,
};
use serde::{Deserialize, Serialize};

use super::address::Address;

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// A way of shipping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingMethod {
    /// The retailer's own id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Where to.
    pub countries: BTreeSet<String>,
    /// The fee per currency code.
    pub fees: BTreeMap<String, Money>,
    /// From which goods' value on it is free, per currency code.
    pub free_from: BTreeMap<String, Money>,
    /// Whole days, at the earliest.
    pub min_days: i32,
    /// Whole days, at the latest.
    pub max_days: i32,
    /// The tax category of the fee.
    pub tax_category: String,
    /// Whether it is withdrawn.
    pub discontinued: bool,
}

impl ShippingMethod {
    /// The fee for goods of that value before discounts; or why it can't be used.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn fee(&self, country: &str, goods: Money) -> Result<Money, String> {
        if self.discontinued {
            return Err(format!("the shipping method {} is no longer offered", self.id));
        }
        if !self.countries.contains(country) {
            return Err(format!("the shipping method {} does not serve {country}", self.id));
        }
        let code = goods.currency.code();
        let Some(fee) = self.fees.get(code) else {
            return Err(format!("the shipping method {} has no fee in {code}", self.id));
        };
        let free = self.free_from.get(code).is_some_and(|from| goods.micros >= from.micros);
        Ok(if free { Money::zero(goods.currency) } else { *fee })
    }

    /// The promise for an order at that moment: from the start of the earliest calendar day (UTC) to the end of the latest.
    #[must_use]
    pub fn promise(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        let today = now.micros().div_euclid(DAY_MICROS);
        let day = |days: i64| Timestamp::from_micros(today.saturating_add(days).saturating_mul(DAY_MICROS));
        let end = day(i64::from(self.max_days) + 1);
        (day(i64::from(self.min_days)), Timestamp::from_micros(end.micros() - 1_000_000))
    }
}

/// The choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[expect(clippy::large_enum_variant, reason = "there is one in a cart, and most are of the large kind")]
pub enum Delivery {
    /// Shipped to an address.
    Ship {
        /// Where to.
        address: Private<Address>,
        /// How, with the fees as they were when prices were last read.
        method: ShippingMethod,
    },
    /// Picked up in a store.
    Pickup {
        /// The store.
        location: String,
        /// Its country, which decides the tax.
        country: String,
    },
}

impl Delivery {
    /// The country that decides the tax.
    #[must_use]
    pub fn country(&self) -> &str {
        match self {
            Self::Ship { address, .. } => &address.expose().country,
            Self::Pickup { country, .. } => country,
        }
    }
}

/// What delivery costs, in the cart's currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryCost {
    /// The fee.
    pub fee: Money,
    /// The tax in it or on top of it.
    pub tax: Money,
    /// The promise, for shipping: not before, not after.
    pub promise: Option<(Timestamp, Timestamp)>,
    /// Why the choice is no longer possible.
    pub problem: Option<String>,
}

impl DeliveryCost {
    /// Nothing.
    #[must_use]
    pub const fn none(currency: Currency) -> Self {
        Self { fee: Money::zero(currency), tax: Money::zero(currency), promise: None, problem: None }
    }
}
