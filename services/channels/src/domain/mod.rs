//! Accounts, units and actions: what they are and what follows from what. Pure.

pub mod account;
pub mod action;
pub mod document;
pub mod plan;
pub mod unit;

use omnimesh_kit::typed_id;

typed_id!(
    /// An account at a marketplace.
    AccountId,
    "chan"
);
typed_id!(
    /// An action.
    ActionId,
    "act"
);
typed_id!(
    /// A dead letter.
    DeadLetterId,
    "dead"
);
typed_id!(
    /// An order of the order book.
    OrderId,
    "order"
);
