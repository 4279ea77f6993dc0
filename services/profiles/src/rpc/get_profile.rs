//! GetProfile: customers their own, others any by scope; any id the customer ever had.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{GetProfileRequest, GetProfileResponse};
use tonic::Response;

use super::{App, customer};
use crate::{error::Error, identity::fold::with_splits};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: GetProfileRequest,
) -> Result<Response<GetProfileResponse>, Error> {
    let mut conn = app.db.read().await?;
    let root = customer(&mut conn, &call, &request.profile_id).await?;
    let profile = with_splits(&mut conn, root, call.session().is_some()).await?;
    Ok(Response::new(GetProfileResponse { profile }))
}
