//! Carts as pure rules: no I/O, no clock, no randomness; all of that comes in as arguments.

pub mod address;
pub mod cart;
pub mod country;
pub mod coupon;
pub mod customer;
pub mod delivery;
pub mod freeze;
pub mod joined;
pub mod lines;
pub mod merge;
pub mod price;
pub mod quote;

#[cfg(test)]
mod joined_tests;
#[cfg(test)]
mod tests;

pub use cart::{Body, Cart, CartId, Customer, Line, LineId, State};

use omnimesh_kit::money::{Currency, MoneyError};

/// Why a cart does not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller saw another version.
    #[error("cart {id} has version {current}")]
    Version {
        /// The cart.
        id: CartId,
        /// Its version.
        current: i64,
    },
    /// It is frozen for payment.
    #[error("the cart is frozen for payment: it can be changed again once it is thawed")]
    Frozen,
    /// It became an order or went into another cart.
    #[error("the cart is {0}")]
    Closed(&'static str),
    /// It is in another currency.
    #[error("the cart is in {0}: a cart has one currency")]
    WrongCurrency(Currency),
    /// No line of that id.
    #[error("no such line")]
    NoLine(LineId),
    /// No room for another line.
    #[error("a cart has at most {max} lines", max = lines::MAX_LINES)]
    Full,
    /// The line would hold more than allowed.
    #[error("a line has at most {max} pieces", max = lines::MAX_QUANTITY)]
    TooMany,
    /// The SKU can't be sold here.
    #[error("the product can't be sold: {0}")]
    NotSellable(String),
    /// The coupon does not apply.
    #[error("the coupon does not apply: {0}")]
    Coupon(String),
    /// The delivery is not possible.
    #[error("no such delivery: {0}")]
    Delivery(String),
    /// Something that an order needs is missing.
    #[error("the cart is not complete: {}", .0.first().map_or("", |gap| gap.description.as_str()))]
    Incomplete(Vec<Gap>),
    /// An amount that can't be computed.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// One thing that an order needs and the cart lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// LINES, LINE, DELIVERY or COUPON.
    pub kind: &'static str,
    /// The line, the coupon, or the cart.
    pub subject: String,
    /// What is missing.
    pub description: String,
}
