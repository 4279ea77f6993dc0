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
    /// No return of that id.
    #[error("no such return")]
    NoSuchReturn,
    /// More than the customer has, or than is not asked for in another return.
    #[error(
        "line {line_id} has {left} that can be returned: what was handed over and is in no other return is accepted"
    )]
    NotReturnable {
        /// The line.
        line_id: String,
        /// How many can be.
        left: i64,
    },
    /// Nothing was sold here that could come back.
    #[error("only goods of sales that this order book handed over can be returned")]
    NothingSold,
    /// A quantity of a line that the return does not wait for, or has not received.
    #[error("line {line_id} has {left} {what} in this return: 1 to {left} is accepted")]
    NotInReturn {
        /// The line.
        line_id: String,
        /// How many there are.
        left: i64,
        /// What they are.
        what: &'static str,
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
