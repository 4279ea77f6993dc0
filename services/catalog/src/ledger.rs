//! Moves stock. Every function works in its caller's transaction: it locks the reservation first and stock rows after it in key
//! order, and appends an event for each row that changed.

use std::collections::BTreeMap;

use omnimesh_kit::{
    call::Call,
    error::Fault,
    outbox,
    store::{Db, Tx},
    transaction,
};
use omnimesh_proto::catalog::v1::{ReservationState, StockChanged};

use crate::{
    domain::reservation::{Part, Reservation, take},
    error::Error,
    store::{
        reservations,
        stock::{self, Move},
    },
};

/// How goods leave a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Given back.
    Release,
    /// Given back, because the hold ran out.
    Expire,
    /// Handed over or sent off.
    Commit,
}

/// Says that a stock row changed.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn announce(
    tx: &mut Tx,
    call: &Call,
    sku: &str,
    location_id: &str,
    version: i64,
) -> Result<(), Error> {
    let changed = StockChanged { sku: sku.to_owned(), location_id: location_id.to_owned(), version };
    Ok(outbox::append(tx, call, &format!("stock:{sku}:{location_id}"), version, &changed).await?)
}

async fn announce_all(tx: &mut Tx, call: &Call, mut changed: Vec<stock::Changed>) -> Result<(), Error> {
    changed.sort_by(|a, b| (&a.sku, &a.location_id).cmp(&(&b.sku, &b.location_id)));
    for row in changed {
        announce(tx, call, &row.sku, &row.location_id, row.version).await?;
    }
    Ok(())
}

/// Reserves what each row has to give.
///
/// # Errors
/// [`Error::PlanStale`] if a row has too little by now.
pub(crate) async fn hold(tx: &mut Tx, call: &Call, demand: &BTreeMap<(&str, &str), i64>) -> Result<(), Error> {
    let row = |((sku, location_id), quantity): (&(&str, &str), &i64)| Move {
        sku: (*sku).to_owned(),
        location_id: (*location_id).to_owned(),
        reserved: *quantity,
        ..Move::default()
    };
    let held = stock::hold(tx, &demand.iter().map(row).collect::<Vec<_>>()).await?;
    if held.len() < demand.len() {
        return Err(Error::PlanStale);
    }
    announce_all(tx, call, held).await
}

/// HELD becomes CONFIRMED: what was reserved is allocated.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn confirm(tx: &mut Tx, call: &Call, reservation: &mut Reservation) -> Result<(), Error> {
    let all: Vec<_> =
        reservation.allocations.iter().enumerate().map(|(index, allocation)| (index, allocation.left())).collect();
    let bound = |quantity: i64| Move { reserved: -quantity, allocated: quantity, ..Move::default() };
    move_rows(tx, call, reservation, &all, bound).await?;
    reservation.state = ReservationState::Confirmed;
    Ok(reservations::update(tx, reservation).await?)
}

/// Moves the taken quantities between the parts of their rows; `parts` says how many go from where to where.
async fn move_rows(
    tx: &mut Tx,
    call: &Call,
    reservation: &Reservation,
    taken: &[(usize, i64)],
    parts: impl Fn(i64) -> Move,
) -> Result<(), Error> {
    let rows = by_row(reservation, taken).into_iter();
    let moves: Vec<_> =
        rows.map(|((sku, location_id), quantity)| Move { sku, location_id, ..parts(quantity) }).collect();
    let changed = stock::apply(tx, &moves).await?;
    if changed.len() < moves.len() {
        return Err(Fault::internal("a reservation of a stock row that is not there").into());
    }
    announce_all(tx, call, changed).await
}

/// Lets parts of an open reservation leave it, or all that is left if none is named; never more than is left. Nothing happens to
/// a reservation that has ended.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn leave(
    tx: &mut Tx,
    call: &Call,
    reservation: &mut Reservation,
    parts: &[Part],
    how: Leave,
) -> Result<(), Error> {
    if !reservation.is_open() {
        return Ok(());
    }
    let taken = take(&reservation.allocations, parts);
    let held = reservation.state == ReservationState::Held;
    let parts = |quantity: i64| Move {
        on_hand: if how == Leave::Commit { -quantity } else { 0 },
        reserved: if held { -quantity } else { 0 },
        allocated: if held { 0 } else { -quantity },
        ..Move::default()
    };
    move_rows(tx, call, reservation, &taken, parts).await?;
    for (index, quantity) in taken {
        let Some(allocation) = reservation.allocations.get_mut(index) else { continue };
        let (released, committed) = if how == Leave::Commit { (0, quantity) } else { (quantity, 0) };
        allocation.released += released;
        allocation.committed += committed;
        reservations::take(tx, &reservation.owner_id, allocation, released, committed).await?;
    }
    if reservation.allocations.iter().all(|allocation| allocation.left() == 0) {
        reservation.state = if how == Leave::Expire { ReservationState::Expired } else { reservation.end_state() };
        reservations::update(tx, reservation).await?;
    }
    Ok(())
}

/// Gives back the reservations of these owners that have run out; gives how many.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn expire(db: &Db, call: &Call, owners: &[String]) -> Result<usize, Error> {
    let mut swept = 0;
    for owner in owners {
        swept += usize::from(transaction!(db, tx => {
            let now = tx.now();
            let found = reservations::lock(&mut tx, owner).await?;
            match found.filter(|found| found.is_open() && found.state_at(now) == ReservationState::Expired) {
                // Somebody else was faster: released, confirmed in time, or swept.
                None => Ok::<_, Error>(false),
                Some(mut due) => {
                    leave(&mut tx, call, &mut due, &[], Leave::Expire).await?;
                    Ok(true)
                }
            }
        })?);
    }
    Ok(swept)
}

/// What the taken quantities are per stock row, in key order.
fn by_row(reservation: &Reservation, taken: &[(usize, i64)]) -> BTreeMap<(String, String), i64> {
    let mut rows = BTreeMap::new();
    for (index, quantity) in taken {
        if let Some(allocation) =
            reservation.allocations.get(*index).filter(|allocation| allocation.counted && *quantity > 0)
        {
            *rows.entry((allocation.sku.clone(), allocation.location_id.clone())).or_default() += quantity;
        }
    }
    rows
}
