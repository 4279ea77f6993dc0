//! A return: goods that come back, wherever they were bought, and its state machine.

use omnimesh_kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Amounts, GroupId, Refused, ReturnId, kinds::mirror};

mirror!(
    /// Where a return stands.
    ReturnState = ReturnState {
        /// Asked for.
        Requested "REQUESTED",
        /// Allowed; waits for the goods.
        Approved "APPROVED",
        /// Refused.
        Rejected "REJECTED",
        /// The goods are on their way.
        InTransit "IN_TRANSIT",
        /// Some goods arrived.
        PartiallyReceived "PARTIALLY_RECEIVED",
        /// All goods arrived.
        Received "RECEIVED",
        /// What arrived was settled by money.
        Refunded "REFUNDED",
        /// What arrived was settled by goods.
        Replaced "REPLACED",
        /// Over.
        Closed "CLOSED",
    }
);

mirror!(
    /// In what state returned goods are.
    Condition = ReturnCondition {
        /// As new: back to stock.
        Sellable "SELLABLE",
        /// Not to be sold again.
        Damaged "DAMAGED",
    }
);

/// A transition of a return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnStep {
    /// It is allowed.
    Approve,
    /// It is refused.
    Reject,
    /// The goods are sent.
    Ship,
    /// Some of the goods arrive.
    ReceiveSome,
    /// The last of the goods arrive.
    ReceiveAll,
    /// All that arrived is settled, the last of it by money.
    Refund,
    /// All that arrived is settled, the last of it by goods.
    Replace,
    /// Goods that were to replace others will not reach the customer, while some are still awaited.
    ReopenSome,
    /// The same, once all have arrived.
    ReopenAll,
    /// Nothing more will arrive.
    Close,
}

impl ReturnStep {
    /// Every transition.
    pub const ALL: [Self; 10] = [
        Self::Approve,
        Self::Reject,
        Self::Ship,
        Self::ReceiveSome,
        Self::ReceiveAll,
        Self::Refund,
        Self::Replace,
        Self::ReopenSome,
        Self::ReopenAll,
        Self::Close,
    ];

    /// The state it leads to.
    #[must_use]
    pub const fn target(self) -> ReturnState {
        match self {
            Self::Approve => ReturnState::Approved,
            Self::Reject => ReturnState::Rejected,
            Self::Ship => ReturnState::InTransit,
            Self::ReceiveSome | Self::ReopenSome => ReturnState::PartiallyReceived,
            Self::ReceiveAll | Self::ReopenAll => ReturnState::Received,
            Self::Refund => ReturnState::Refunded,
            Self::Replace => ReturnState::Replaced,
            Self::Close => ReturnState::Closed,
        }
    }

    /// Goods that arrived are settled before a return is closed: nobody keeps both goods and money.
    const fn leaves(self, state: ReturnState) -> bool {
        use ReturnState::{Approved, InTransit, PartiallyReceived, Received, Refunded, Replaced, Requested};
        match self {
            Self::Approve | Self::Reject => matches!(state, Requested),
            Self::Ship => matches!(state, Approved),
            Self::ReceiveSome | Self::ReceiveAll => {
                matches!(state, Approved | InTransit | PartiallyReceived | Refunded | Replaced)
            }
            Self::Refund | Self::Replace => matches!(state, PartiallyReceived | Received),
            Self::ReopenSome => matches!(state, PartiallyReceived | Refunded | Replaced),
            Self::ReopenAll => matches!(state, Received | Refunded | Replaced),
            Self::Close => matches!(state, Approved | InTransit | Refunded | Replaced),
        }
    }

    /// Whether somebody asks for it; the others follow from something else.
    const fn is_asked_for(self) -> bool {
        !matches!(self, Self::ReopenSome | Self::ReopenAll)
    }
}

impl ReturnState {
    /// The states that may follow.
    #[must_use]
    pub fn next(self) -> Vec<Self> {
        states(ReturnStep::ALL.into_iter().filter(|step| step.leaves(self)))
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::Closed)
    }

    /// The state after a step.
    ///
    /// # Errors
    /// If the step does not leave this state; names those that may follow.
    pub fn after(self, step: ReturnStep) -> Result<Self, Refused> {
        if step.leaves(self) { Ok(step.target()) } else { Err(self.refuse(step.target(), self.next())) }
    }

    fn refuse(self, asked: Self, allowed: Vec<Self>) -> Refused {
        let allowed = allowed.into_iter().map(Self::as_str).collect();
        Refused::Illegal { subject: "the return", state: self.as_str(), asked: asked.as_str(), allowed }
    }
}

fn states(steps: impl Iterator<Item = ReturnStep>) -> Vec<ReturnState> {
    let mut states = Vec::new();
    for state in steps.map(ReturnStep::target) {
        if !states.contains(&state) {
            states.push(state);
        }
    }
    states
}

/// A line of a return. 0 <= unstocked <= restocked <= received <= quantity, and refunded + replaced <= received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnLine {
    /// The line of the order.
    pub line_id: String,
    /// How many are to come back.
    pub quantity: i64,
    /// How many arrived.
    #[serde(default)]
    pub received: i64,
    /// How many of these can be sold again.
    #[serde(default)]
    pub restocked: i64,
    /// How many of the restocked are in no stock: the catalog did not know them, or the location.
    #[serde(default)]
    pub unstocked: i64,
    /// How many of the received were settled by money.
    #[serde(default)]
    pub refunded: i64,
    /// How many of the received were settled by goods.
    #[serde(default)]
    pub replaced: i64,
    /// What was refunded for them.
    #[serde(default)]
    pub amounts: Amounts,
}

impl ReturnLine {
    /// How many have not arrived.
    #[must_use]
    pub const fn awaited(&self) -> i64 {
        self.quantity - self.received
    }

    /// How many arrived and are not settled.
    #[must_use]
    pub const fn unsettled(&self) -> i64 {
        self.received - self.refunded - self.replaced
    }
}

/// Goods that come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// Its id.
    pub id: ReturnId,
    /// Incremented by each change.
    pub version: i64,
    /// Where it stands.
    pub state: ReturnState,
    /// What comes back.
    pub lines: Vec<ReturnLine>,
    /// Why, as the customer says. Personal data.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why it was rejected or closed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub decision_reason: String,
    /// The location that takes it; empty while none has.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub location_id: String,
    /// The carrier.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub carrier: String,
    /// The carrier's tracking number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tracking_number: String,
    /// What of the delivery fee was refunded. Micro-units.
    #[serde(default)]
    pub shipping: i64,
    /// The share of the delivery fee that the refunded pieces have, refunded or not: it is not refunded with others. Micro-units.
    #[serde(default)]
    pub shipping_share: i64,
    /// The group that replaces goods, the last one if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<GroupId>,
    /// The number of common.v1.Channel in which it was asked for.
    pub channel: i32,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl Return {
    /// How many pieces have not arrived.
    #[must_use]
    pub fn awaited(&self) -> i64 {
        self.lines.iter().map(ReturnLine::awaited).sum()
    }

    /// How many pieces arrived and are not settled.
    #[must_use]
    pub fn unsettled(&self) -> i64 {
        self.lines.iter().map(ReturnLine::unsettled).sum()
    }

    /// What was refunded in all. Micro-units.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        self.shipping + self.lines.iter().map(|line| line.amounts.total).sum::<i64>()
    }

    /// Whether nobody waits for anything: it is refused or closed, or all of it arrived and is settled.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let settled = matches!(self.state, ReturnState::Refunded | ReturnState::Replaced);
        self.state.is_final() || (settled && self.awaited() == 0)
    }

    /// The states that somebody may ask for now.
    #[must_use]
    pub fn next(&self) -> Vec<ReturnState> {
        let (awaited, unsettled) = (self.awaited(), self.unsettled());
        states(ReturnStep::ALL.into_iter().filter(|step| {
            step.leaves(self.state)
                && step.is_asked_for()
                && match step {
                    ReturnStep::ReceiveSome => awaited > 1,
                    ReturnStep::ReceiveAll => awaited > 0,
                    ReturnStep::Refund | ReturnStep::Replace => unsettled > 0,
                    _ => true,
                }
        }))
    }

    /// Whether a step could be taken.
    ///
    /// # Errors
    /// If it does not leave the state; names those that somebody may ask for.
    pub fn allows(&self, step: ReturnStep) -> Result<(), Refused> {
        let possible = !step.is_asked_for() || self.next().contains(&step.target());
        if step.leaves(self.state) && possible { Ok(()) } else { Err(self.state.refuse(step.target(), self.next())) }
    }
}
