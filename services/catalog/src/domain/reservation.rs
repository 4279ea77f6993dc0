//! Reservations: their states, and what is left of them.

use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::catalog::v1::{self as proto, ReservationState};

use super::allocation::{Pick, Shortage};

/// Part of a line, at one location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The line.
    pub line_id: String,
    /// The SKU.
    pub sku: String,
    /// The location.
    pub location_id: String,
    /// Whether stock rows moved.
    pub counted: bool,
    /// How many were reserved.
    pub quantity: i64,
    /// How many of them were given back.
    pub released: i64,
    /// How many of them have left.
    pub committed: i64,
}

impl From<&Pick> for Allocation {
    fn from(pick: &Pick) -> Self {
        Self {
            line_id: pick.line_id.clone(),
            sku: pick.sku.clone(),
            location_id: pick.location_id.clone(),
            counted: pick.counted,
            quantity: pick.quantity,
            released: 0,
            committed: 0,
        }
    }
}

impl Allocation {
    /// What is still reserved.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.quantity - self.released - self.committed
    }
}

/// All the allocations of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The owner.
    pub owner_id: String,
    /// The state as stored: see [`Self::state_at`].
    pub state: ReservationState,
    /// What tells one demand from another.
    pub lines_hash: String,
    /// When HELD expires.
    pub expires_at: Timestamp,
    /// What could not be reserved.
    pub shortages: Vec<Shortage>,
    /// Where the goods lie, in key order of their stock rows.
    pub allocations: Vec<Allocation>,
}

impl Reservation {
    /// The state at that moment: a hold that ran out has expired, whether it was swept or not.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> ReservationState {
        if self.state == ReservationState::Held && self.expires_at <= now {
            ReservationState::Expired
        } else {
            self.state
        }
    }

    /// Whether anything is still reserved.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, ReservationState::Held | ReservationState::Confirmed)
    }

    /// The state once nothing is left.
    #[must_use]
    pub fn end_state(&self) -> ReservationState {
        if self.allocations.iter().any(|allocation| allocation.committed > 0) {
            ReservationState::Committed
        } else {
            ReservationState::Released
        }
    }

    /// The wire's form. Of each allocation it shows what was not given back: what is reserved, or has left.
    #[must_use]
    pub fn to_proto(&self, now: Timestamp) -> proto::Reservation {
        let state = self.state_at(now);
        let kept = self.allocations.iter().filter(|allocation| allocation.released < allocation.quantity);
        proto::Reservation {
            owner_id: self.owner_id.clone(),
            state: state.into(),
            allocations: kept
                .filter(|_| state != ReservationState::Expired)
                .map(|allocation| proto::Allocation {
                    line_id: allocation.line_id.clone(),
                    sku: allocation.sku.clone(),
                    location_id: allocation.location_id.clone(),
                    quantity: allocation.quantity - allocation.released,
                })
                .collect(),
            expire_time: (state == ReservationState::Held).then(|| self.expires_at.to_proto()),
            shortfall: self
                .shortages
                .iter()
                .map(|shortage| proto::Allocation {
                    line_id: shortage.line_id.clone(),
                    sku: shortage.sku.clone(),
                    location_id: String::new(),
                    quantity: shortage.missing,
                })
                .collect(),
        }
    }
}

/// What is to leave a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The line.
    pub line_id: String,
    /// The location.
    pub location_id: String,
    /// How many.
    pub quantity: i64,
}

/// How many of each allocation a set of parts takes, never more than is left: as (index of the allocation, quantity). An
/// empty set is everything.
#[must_use]
pub fn take(allocations: &[Allocation], parts: &[Part]) -> Vec<(usize, i64)> {
    let asked = |allocation: &Allocation| {
        let of_it = |part: &&Part| part.line_id == allocation.line_id && part.location_id == allocation.location_id;
        parts.iter().filter(of_it).fold(0i64, |sum, part| sum.saturating_add(part.quantity))
    };
    let takes = allocations.iter().enumerate().map(|(index, allocation)| {
        let quantity = if parts.is_empty() { allocation.left() } else { asked(allocation).clamp(0, allocation.left()) };
        (index, quantity)
    });
    takes.filter(|(_, quantity)| *quantity > 0).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allocation(line: usize, quantity: i64, released: i64, committed: i64) -> Allocation {
        let (line_id, sku, location_id) = (line.to_string(), "tea".to_owned(), "a".to_owned());
        Allocation { line_id, sku, location_id, counted: true, quantity, released, committed }
    }

    proptest! {
        #[test]
        fn never_more_than_is_left(
            sizes in proptest::collection::vec((1i64..20, 0i64..20, 0i64..20), 1..5),
            parts in proptest::collection::vec((0usize..6, 0i64..30), 0..6),
        ) {
            let allocations: Vec<_> = sizes.into_iter().enumerate().map(|(line, (quantity, released, committed))| {
                let released = released.min(quantity);
                allocation(line, quantity, released, committed.min(quantity - released))
            }).collect();
            let parts: Vec<_> = parts.into_iter().map(|(line, quantity)| {
                Part { line_id: line.to_string(), location_id: "a".to_owned(), quantity }
            }).collect();
            let mut after = allocations.clone();
            for (index, quantity) in take(&allocations, &parts) {
                prop_assert!(quantity > 0);
                after[index].released += quantity;
            }
            for (before, after) in allocations.iter().zip(&after) {
                prop_assert!(after.left() >= 0);
                let asked: i64 = parts.iter().filter(|part| part.line_id == before.line_id).map(|part| part.quantity).sum();
                let expected = if parts.is_empty() { before.left() } else { asked.min(before.left()) };
                prop_assert_eq!(before.left() - after.left(), expected);
            }
        }
    }

    #[test]
    fn a_hold_expires_by_the_clock_and_a_confirmed_one_never() {
        let at = Timestamp::from_micros;
        let held = Reservation {
            owner_id: "o".to_owned(),
            state: ReservationState::Held,
            lines_hash: String::new(),
            expires_at: at(10),
            shortages: Vec::new(),
            allocations: vec![allocation(1, 5, 2, 0)],
        };
        assert_eq!(held.state_at(at(9)), ReservationState::Held);
        assert_eq!(held.state_at(at(10)), ReservationState::Expired);
        assert_eq!(held.to_proto(at(9)).allocations[0].quantity, 3);
        assert!(held.to_proto(at(10)).allocations.is_empty());
        let confirmed = Reservation { state: ReservationState::Confirmed, ..held };
        assert_eq!(confirmed.state_at(at(10)), ReservationState::Confirmed);
    }
}
