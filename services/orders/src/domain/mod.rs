//! What an order is and what may happen to it: pure types and rules.

mod address;
mod behaviour;
mod change;
mod erase;
mod error;
mod fulfilment;
mod handling;
mod ids;
mod import;
mod kinds;
mod number;
mod order;
mod payment;
mod reduce;
#[cfg(test)]
mod return_tests;
mod returning;
mod returns;
mod shares;
mod state;
#[cfg(test)]
mod tests;

pub use address::{Address, Contact};
pub use change::{Cause, Change, Goods, OrderChange};
pub use erase::public_reason;
pub use error::Refused;
pub use fulfilment::{Group, GroupState, GroupStep, StoreSnapshot};
pub use ids::{GroupId, LineId, OrderId, RefundTaskId, ReturnId};
pub use import::{Document, Known, Restatement, restate};
pub use kinds::{DocumentKind, FulfillmentMethod, ImportMode, LineKind, PaymentMethod};
pub use number::{InvalidNumber, OrderNumber};
pub use order::{CartRef, Held, Line, LineSource, Order, Placement, Refusal, Source, Totals};
pub use payment::{Payment, PaymentEvent, PaymentEventKind, PaymentState};
pub use returning::Received;
pub use returns::{Condition, Return, ReturnLine, ReturnState, ReturnStep};
pub use shares::Amounts;
pub use state::{OrderState, OrderStep};
