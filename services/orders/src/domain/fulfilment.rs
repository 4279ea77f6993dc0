//! A fulfilment group: what one location does for an order by one method, and its state machine.

use omnimesh_kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Address, FulfillmentMethod, GroupId, Held, Refused, ReturnId, kinds::mirror};

mirror!(
    /// Where a group stands.
    GroupState = FulfillmentState {
        /// Waits for the location.
        Open "OPEN",
        /// The location took it.
        Accepted "ACCEPTED",
        /// Goods are being collected.
        Picking "PICKING",
        /// Goods are packed.
        Packed "PACKED",
        /// On its way.
        Shipped "SHIPPED",
        /// Arrived.
        Delivered "DELIVERED",
        /// Could not be delivered.
        Undelivered "UNDELIVERED",
        /// On its way back.
        Returning "RETURNING",
        /// Waits in the store.
        ReadyForPickup "READY_FOR_PICKUP",
        /// Collected.
        PickedUp "PICKED_UP",
        /// The customer did not take it.
        Refused "REFUSED",
        /// Nobody came in time.
        NoShow "NO_SHOW",
        /// Back on the shelf.
        Restocked "RESTOCKED",
        /// Something has to be settled first.
        OnHold "ON_HOLD",
        /// The location can't.
        RejectedByStore "REJECTED_BY_STORE",
        /// Cancelled.
        Cancelled "CANCELLED",
    }
);

/// A transition of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupStep {
    /// The location takes it.
    Accept,
    /// Somebody starts to collect the goods.
    StartPicking,
    /// The goods are packed.
    Pack,
    /// The location can't.
    Reject,
    /// Something has to be settled first.
    Hold,
    /// It is settled: back to where it was.
    Resume(GroupState),
    /// Another location is found for a rejected group.
    Reroute,
    /// The goods leave.
    Ship,
    /// The goods arrive.
    Deliver,
    /// The carrier could not deliver.
    FailDelivery,
    /// The carrier brings the goods back.
    SendBack,
    /// The goods wait in the store.
    MarkReady,
    /// The customer collects.
    PickUp,
    /// The customer does not want them.
    Refuse,
    /// Nobody came.
    MarkNoShow,
    /// The goods are back on the shelf.
    Restock,
    /// Cancelled, by whoever the cause names.
    Cancel,
}

impl GroupStep {
    /// Every transition.
    pub const ALL: [Self; 20] = [
        Self::Accept,
        Self::StartPicking,
        Self::Pack,
        Self::Reject,
        Self::Hold,
        Self::Resume(GroupState::Open),
        Self::Resume(GroupState::Accepted),
        Self::Resume(GroupState::Picking),
        Self::Resume(GroupState::Packed),
        Self::Reroute,
        Self::Ship,
        Self::Deliver,
        Self::FailDelivery,
        Self::SendBack,
        Self::MarkReady,
        Self::PickUp,
        Self::Refuse,
        Self::MarkNoShow,
        Self::Restock,
        Self::Cancel,
    ];

    /// The state it leads to.
    #[must_use]
    pub const fn target(self) -> GroupState {
        match self {
            Self::Accept => GroupState::Accepted,
            Self::StartPicking => GroupState::Picking,
            Self::Pack => GroupState::Packed,
            Self::Reject => GroupState::RejectedByStore,
            Self::Hold => GroupState::OnHold,
            Self::Resume(state) => state,
            Self::Reroute => GroupState::Open,
            Self::Ship => GroupState::Shipped,
            Self::Deliver => GroupState::Delivered,
            Self::FailDelivery => GroupState::Undelivered,
            Self::SendBack => GroupState::Returning,
            Self::MarkReady => GroupState::ReadyForPickup,
            Self::PickUp => GroupState::PickedUp,
            Self::Refuse => GroupState::Refused,
            Self::MarkNoShow => GroupState::NoShow,
            Self::Restock => GroupState::Restocked,
            Self::Cancel => GroupState::Cancelled,
        }
    }

    const fn leaves(self, state: GroupState, method: FulfillmentMethod) -> bool {
        use GroupState::{
            Accepted, NoShow, OnHold, Open, Packed, Picking, ReadyForPickup, Refused, RejectedByStore, Returning,
            Shipped, Undelivered,
        };
        let ship = matches!(method, FulfillmentMethod::Ship);
        match self {
            Self::Accept => matches!(state, Open),
            Self::StartPicking => matches!(state, Accepted),
            Self::Pack => matches!(state, Accepted | Picking),
            Self::Reject => matches!(state, Open | Accepted | Picking),
            Self::Hold => matches!(state, Open | Accepted | Picking | Packed),
            Self::Resume(before) => matches!(state, OnHold) && matches!(before, Open | Accepted | Picking | Packed),
            Self::Reroute => matches!(state, RejectedByStore),
            Self::Ship => ship && matches!(state, Packed),
            Self::Deliver => ship && matches!(state, Shipped),
            Self::FailDelivery => ship && matches!(state, Shipped),
            Self::SendBack => ship && matches!(state, Undelivered),
            Self::MarkReady => !ship && matches!(state, Packed),
            Self::PickUp | Self::Refuse | Self::MarkNoShow => !ship && matches!(state, ReadyForPickup),
            Self::Restock => matches!(state, Returning | Refused | NoShow),
            Self::Cancel => {
                matches!(state, Open | Accepted | Picking | Packed | OnHold | RejectedByStore | ReadyForPickup)
            }
        }
    }
}

impl GroupState {
    /// The states that may follow, for that method.
    #[must_use]
    pub fn next(self, method: FulfillmentMethod) -> Vec<Self> {
        let mut next: Vec<Self> = Vec::new();
        for step in GroupStep::ALL.into_iter().filter(|step| step.leaves(self, method)) {
            if !next.contains(&step.target()) {
                next.push(step.target());
            }
        }
        next
    }

    /// Whether the group is done, as the order's completion sees it. Refused and uncollected goods may still be restocked.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::PickedUp | Self::Refused | Self::NoShow | Self::Restocked | Self::Cancelled
        )
    }

    /// Whether the customer, or the carrier, has or had the goods.
    #[must_use]
    pub const fn handed_over(self) -> bool {
        matches!(self, Self::Shipped | Self::Delivered | Self::Undelivered | Self::Returning | Self::PickedUp)
    }

    /// Whether the customer has the goods.
    #[must_use]
    pub const fn arrived(self) -> bool {
        matches!(self, Self::Delivered | Self::PickedUp)
    }

    /// Whether the goods are not the customer's any more: they leave the order's lines and totals.
    #[must_use]
    pub const fn gives_back(self) -> bool {
        matches!(self, Self::Refused | Self::NoShow | Self::Restocked | Self::Cancelled)
    }

    /// Whether the goods are packed, or further.
    #[must_use]
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::Packed | Self::ReadyForPickup) || self.handed_over()
    }
}

/// The store as it was when the order was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreSnapshot {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Option<Address>,
    /// Its opening hours, one line per weekday.
    pub opening_hours: Vec<String>,
}

/// What one location does for an order by one method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// The location; empty while no location has the goods.
    pub location_id: String,
    /// The method.
    pub method: FulfillmentMethod,
    /// Where it stands.
    pub state: GroupState,
    /// What it holds.
    pub lines: Vec<Held>,
    /// Whether stock is bound to it: not any more once the store has rejected it.
    pub holds_stock: bool,
    /// Whether its goods have left the order's lines and totals.
    #[serde(default)]
    pub given_back: bool,
    /// The return whose goods it replaces at no cost: the order's lines and totals know nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ReturnId>,
    /// Where it goes on after ON_HOLD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_in: Option<GroupState>,
    /// The store, for PICKUP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSnapshot>,
    /// Why it was rejected, cancelled or ended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The carrier.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub carrier: String,
    /// The carrier's tracking number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tracking_number: String,
    /// Until when it waits in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_expires_at: Option<Timestamp>,
    /// When the state changed last.
    pub updated_at: Timestamp,
}

impl Group {
    /// A group that waits for its location.
    #[must_use]
    pub const fn open(
        id: GroupId,
        location_id: String,
        method: FulfillmentMethod,
        lines: Vec<Held>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            location_id,
            method,
            state: GroupState::Open,
            lines,
            holds_stock: true,
            given_back: false,
            replaces: None,
            held_in: None,
            store: None,
            reason: String::new(),
            carrier: String::new(),
            tracking_number: String::new(),
            pickup_expires_at: None,
            updated_at: now,
        }
    }

    /// Takes a step; gives nothing back and tells nobody: see [`super::Order::step_group`].
    ///
    /// # Errors
    /// If the step does not leave the group's state; names the states that may follow.
    pub fn step(&mut self, step: GroupStep, now: Timestamp) -> Result<(), Refused> {
        let resumes_elsewhere = matches!(step, GroupStep::Resume(state) if self.held_in != Some(state));
        if !step.leaves(self.state, self.method) || resumes_elsewhere {
            let allowed = self.state.next(self.method);
            let possible = |next: &GroupState| {
                let resumed = self.state == GroupState::OnHold && *next != GroupState::Cancelled;
                !resumed || self.held_in == Some(*next)
            };
            return Err(Refused::Illegal {
                subject: "the group",
                state: self.state.as_str(),
                asked: step.target().as_str(),
                allowed: allowed.into_iter().filter(possible).map(GroupState::as_str).collect(),
            });
        }
        self.held_in = (step == GroupStep::Hold).then_some(self.state);
        self.state = step.target();
        self.updated_at = now;
        Ok(())
    }
}
