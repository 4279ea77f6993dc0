//! The order's own state machine, apart from payment and fulfilment.

use super::{Refused, kinds::mirror};

mirror!(
    /// Where an order stands.
    OrderState = OrderState {
        /// Being placed.
        Draft "DRAFT",
        /// Placed; waits for payment.
        Placed "PLACED",
        /// It will be fulfilled.
        Confirmed "CONFIRMED",
        /// Every group has ended and it is paid.
        Completed "COMPLETED",
        /// Cancelled before completion.
        Cancelled "CANCELLED",
        /// Not paid in time.
        Expired "EXPIRED",
    }
);

/// A transition of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStep {
    /// The saga came through.
    Place,
    /// It is paid, authorized, to be paid in the store, or costs nothing.
    Confirm,
    /// Every group has ended and it is paid.
    Complete,
    /// Somebody cancelled it, or nothing of it is left.
    Cancel,
    /// It was not paid in time.
    Expire,
}

impl OrderStep {
    /// Every transition.
    pub const ALL: [Self; 5] = [Self::Place, Self::Confirm, Self::Complete, Self::Cancel, Self::Expire];

    /// The state it leads to.
    #[must_use]
    pub const fn target(self) -> OrderState {
        match self {
            Self::Place => OrderState::Placed,
            Self::Confirm => OrderState::Confirmed,
            Self::Complete => OrderState::Completed,
            Self::Cancel => OrderState::Cancelled,
            Self::Expire => OrderState::Expired,
        }
    }

    const fn leaves(self, state: OrderState) -> bool {
        use OrderState::{Confirmed, Draft, Placed};
        match self {
            Self::Place => matches!(state, Draft),
            Self::Confirm | Self::Expire => matches!(state, Placed),
            Self::Complete => matches!(state, Confirmed),
            Self::Cancel => matches!(state, Draft | Placed | Confirmed),
        }
    }
}

impl OrderState {
    /// The states that may follow.
    #[must_use]
    pub fn next(self) -> Vec<Self> {
        OrderStep::ALL.into_iter().filter(|step| step.leaves(self)).map(OrderStep::target).collect()
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Expired)
    }

    /// The state after a step.
    ///
    /// # Errors
    /// If the step does not leave this state; names those that may follow.
    pub fn after(self, step: OrderStep) -> Result<Self, Refused> {
        if step.leaves(self) { Ok(step.target()) } else { Err(self.refuse(step.target().as_str())) }
    }

    /// That what was asked for can't follow.
    #[must_use]
    pub fn refuse(self, asked: &'static str) -> Refused {
        let allowed = self.next().into_iter().map(Self::as_str).collect();
        Refused::Illegal { subject: "the order", state: self.as_str(), asked, allowed }
    }
}
