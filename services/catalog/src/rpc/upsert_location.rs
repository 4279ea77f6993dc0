//! Creates or replaces a location.

use omnimesh_kit::{call::Call, idempotency::Once, once};
use omnimesh_proto::catalog::v1::{UpsertLocationRequest, UpsertLocationResponse};
use tonic::Response;

use super::State;
use crate::{domain::location::Location, error::Error, store::locations};

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: UpsertLocationRequest,
) -> Result<Response<UpsertLocationResponse>, Error> {
    let once = Once::new(call, "catalog.v1.LocationService/UpsertLocation", &request.request_id, &request)?;
    let location = Location::from_proto(request.location.as_ref())?;
    let reply = once!(state.db, once, tx => {
        let version = locations::upsert(&mut tx, &location).await?;
        Ok::<_, Error>(UpsertLocationResponse { location: Some(location.to_proto(version)) })
    })?;
    Ok(reply.into_response())
}
