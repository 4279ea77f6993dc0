//! Gives reserved stock back.

use omnimesh_kit::{call::Call, transaction};
use omnimesh_proto::catalog::v1::{ReleaseRequest, ReleaseResponse, ReservationState};
use tonic::Response;

use super::{State, parts};
use crate::{
    domain::{reservation::Reservation, span::ALWAYS},
    error::Error,
    ledger::{self, Leave},
    store::reservations,
};

/// Owners with this prefix are orders.
const ORDER: &str = "order_";

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: ReleaseRequest,
) -> Result<Response<ReleaseResponse>, Error> {
    let (owner_id, parts) = parts(&request.owner_id, &request.allocations, &request.request_id)?;
    let reservation = transaction!(state.db, tx => {
        // An owner without a reservation gets one that is released, so that a Reserve that comes late is refused.
        let nothing = Reservation {
            owner_id: owner_id.clone(),
            state: ReservationState::Released,
            lines_hash: String::new(),
            expires_at: ALWAYS,
            shortages: Vec::new(),
            allocations: Vec::new(),
        };
        if parts.is_empty() && reservations::insert(&mut tx, &nothing).await? {
            return Ok(nothing);
        }
        let found = reservations::lock(&mut tx, &owner_id).await?;
        let mut reservation = found.ok_or_else(|| Error::NotFound("reservation", owner_id.clone()))?;
        let confirmed = reservation.state == ReservationState::Confirmed;
        if confirmed && owner_id.starts_with(ORDER) && !call.is_from("orders") {
            return Err(Error::ConfirmedForOrder);
        }
        if parts.is_empty() || reservations::keep_part(&mut tx, &owner_id, &format!("release:{}", request.request_id)).await? {
            ledger::leave(&mut tx, call, &mut reservation, &parts, Leave::Release).await?;
        }
        Ok::<_, Error>(reservation)
    })?;
    Ok(Response::new(ReleaseResponse { reservation: Some(reservation.to_proto(state.clock.now())) }))
}
