//! GetSession: the caller's own.

use omnimesh_kit::call::Call;
use omnimesh_proto::sessions::v1::{GetSessionRequest, GetSessionResponse};
use tonic::Response;

use super::App;
use crate::error::Error;

pub(super) async fn run(app: &App, call: Call, _: GetSessionRequest) -> Result<Response<GetSessionResponse>, Error> {
    let session = app.open_session(call.require_session()?.id).await?;
    Ok(Response::new(GetSessionResponse { session: Some(session.to_proto()) }))
}
