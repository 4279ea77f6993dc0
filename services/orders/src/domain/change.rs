//! What happened to an order: the facts that its changes leave behind, for the order's own log and for other services.

use omnimesh_kit::{call::Call, clock::Timestamp};
use omnimesh_proto::common::v1::Actor;

use super::{GroupId, GroupState, ImportMode, OrderState, PaymentState, ReturnId, ReturnState};

/// Why something happens: who does it, in which channel, when, and for what reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// Who, and in which channel.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// The reason given; empty where none is needed.
    pub reason: String,
}

impl Cause {
    /// The caller's doing.
    #[must_use]
    pub fn of(call: &Call, at: Timestamp) -> Self {
        Self { actor: call.actor(), at, reason: String::new() }
    }

    /// With a reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..self }
    }
}

/// A quantity of a line at a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goods {
    /// The line.
    pub line_id: String,
    /// The SKU.
    pub sku: String,
    /// The location.
    pub location_id: String,
    /// How many.
    pub quantity: i64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderChange {
    /// The order entered a state.
    Order(OrderState),
    /// A document was imported, or a newer one replaced it.
    Imported(ImportMode),
    /// A payment was recorded.
    Payment(PaymentState),
    /// A group entered a state, or holds something else.
    Group {
        /// The group.
        id: GroupId,
        /// Its location.
        location_id: String,
        /// Its state.
        state: GroupState,
        /// The stock that it holds now.
        goods: Vec<Goods>,
        /// The stock that it held and holds no more, while it goes on.
        released: Vec<Goods>,
    },
    /// A return came to be, or something of it changed.
    Return {
        /// The return.
        id: ReturnId,
        /// Its state.
        state: ReturnState,
        /// The location that received goods now; empty if none did.
        location_id: String,
        /// What of them goes back to stock.
        restocked: Vec<Goods>,
        /// What of them could be sold again, and goes to no stock.
        unstocked: Vec<Goods>,
    },
}

/// What happened, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What.
    pub what: OrderChange,
    /// Why.
    pub cause: Cause,
}
