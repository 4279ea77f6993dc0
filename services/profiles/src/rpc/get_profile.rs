//! GetProfile: customers their own, others any by scope.

use omnimesh_kit::{call::Call, error::Fault};
use omnimesh_proto::profiles::v1::{GetProfileRequest, GetProfileResponse};
use tonic::Response;

use super::{App, profile_of};
use crate::{
    error::Error,
    store::{identifiers, profiles},
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: GetProfileRequest,
) -> Result<Response<GetProfileResponse>, Error> {
    let id = profile_of(&call, &request.profile_id)?;
    let mut conn = app.db.read().await?;
    let profile = profiles::profile(&mut conn, id).await?;
    let profile = profile.ok_or_else(|| Fault::not_found("profile", id.to_string()))?;
    let profile = identifiers::whole(&mut conn, profile).await?;
    Ok(Response::new(GetProfileResponse { profile: Some(profile) }))
}
