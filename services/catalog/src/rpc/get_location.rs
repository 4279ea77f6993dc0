//! A location.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::catalog::v1::{GetLocationRequest, GetLocationResponse};
use tonic::Response;

use super::{State, is_back_office};
use crate::{domain::check, error::Error, store::locations};

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: GetLocationRequest,
) -> Result<Response<GetLocationResponse>, Error> {
    let mut v = Violations::new();
    let id = check::slug(&mut v, "location_id", &request.location_id);
    let (id,) = v.finish_with((id,))?;
    let mut conn = state.db.read().await?;
    let (location, version) = locations::find(&mut conn, &id).await?.ok_or(Error::NotFound("location", id))?;
    let shown = if is_back_office(call) { location.to_proto(version) } else { location.to_public_proto(version) };
    Ok(Response::new(GetLocationResponse { location: Some(shown) }))
}
