//! Why a change of an order is refused.

use omnimesh_kit::money::MoneyError;

/// A refused change. The order is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The transition does not exist.
    #[error("{subject} is {state}, not able to become {asked}")]
    Illegal {
        /// What is in the state.
        subject: &'static str,
        /// The state it is in.
        state: &'static str,
        /// The state asked for.
        asked: &'static str,
        /// The states that may follow.
        allowed: Vec<&'static str>,
    },
    /// No group of that id.
    #[error("no such fulfilment group")]
    NoSuchGroup,
    /// Several groups, none named.
    #[error("the order has {0} fulfilment groups: one must be named")]
    GroupNotNamed(usize),
    /// A quantity of a line that the group does not hold.
    #[error("line {line_id} has {held} in this group: 1 to {held} is accepted")]
    NotHeld {
        /// The line.
        line_id: String,
        /// What the group holds of it.
        held: i64,
    },
    /// The amount or currency is not the order's.
    #[error("{0}")]
    PaymentMismatch(String),
    /// Goods are handed over only once they are paid.
    #[error("the order is not paid: record the payment of {0} first")]
    NotPaid(String),
    /// Customers cancel until the goods are packed.
    #[error("the goods are packed already: only the retailer can cancel the order now")]
    TooLateForCustomer,
    /// Amounts out of range.
    #[error(transparent)]
    Money(#[from] MoneyError),
}
