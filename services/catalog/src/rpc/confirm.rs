//! HELD becomes CONFIRMED.

use omnimesh_kit::{call::Call, transaction, validate::Violations};
use omnimesh_proto::catalog::v1::{ConfirmRequest, ConfirmResponse, ReservationState};
use tonic::Response;

use super::{State, owner};
use crate::{error::Error, ledger, store::reservations};

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: ConfirmRequest,
) -> Result<Response<ConfirmResponse>, Error> {
    let mut v = Violations::new();
    let owner_id = owner(&mut v, &request.owner_id);
    let (owner_id,) = v.finish_with((owner_id,))?;
    let reservation = transaction!(state.db, tx => {
        let now = tx.now();
        let found = reservations::lock(&mut tx, &owner_id).await?;
        let mut reservation = found.ok_or_else(|| Error::NotFound("reservation", owner_id.clone()))?;
        match reservation.state_at(now) {
            ReservationState::Held => ledger::confirm(&mut tx, call, &mut reservation).await?,
            ReservationState::Confirmed | ReservationState::Committed => {}
            ReservationState::Unspecified | ReservationState::Released | ReservationState::Expired => {
                return Err(Error::ReservationLost(owner_id.clone()));
            }
        }
        Ok(reservation)
    })?;
    Ok(Response::new(ConfirmResponse { reservation: Some(reservation.to_proto(state.clock.now())) }))
}
