//! The goods have left: reserved stock leaves the shelf.

use omnimesh_kit::{call::Call, transaction};
use omnimesh_proto::catalog::v1::{CommitRequest, CommitResponse, ReservationState};
use tonic::Response;

use super::{State, parts};
use crate::{
    error::Error,
    ledger::{self, Leave},
    store::reservations,
};

pub(super) async fn run(state: &State, call: &Call, request: CommitRequest) -> Result<Response<CommitResponse>, Error> {
    let (owner_id, parts) = parts(&request.owner_id, &request.allocations, &request.request_id)?;
    let reservation = transaction!(state.db, tx => {
        let now = tx.now();
        let found = reservations::lock(&mut tx, &owner_id).await?;
        let mut reservation = found.ok_or_else(|| Error::NotFound("reservation", owner_id.clone()))?;
        if matches!(reservation.state_at(now), ReservationState::Released | ReservationState::Expired) {
            return Err(Error::ReservationLost(owner_id.clone()));
        }
        if parts.is_empty() || reservations::keep_part(&mut tx, &owner_id, &format!("commit:{}", request.request_id)).await? {
            ledger::leave(&mut tx, call, &mut reservation, &parts, Leave::Commit).await?;
        }
        Ok(reservation)
    })?;
    Ok(Response::new(CommitResponse { reservation: Some(reservation.to_proto(state.clock.now())) }))
}
