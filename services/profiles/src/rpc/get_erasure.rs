//! GetErasure: how far an erasure has come.

use omnimesh_kit::{call::Call, error::Fault, validate::Violations};
use omnimesh_proto::profiles::v1::{GetErasureRequest, GetErasureResponse};
use tonic::Response;

use super::App;
use crate::{
    error::Error,
    store::erasures::{self, ErasureId},
};

pub(super) async fn run(app: &App, _: Call, request: GetErasureRequest) -> Result<Response<GetErasureResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<ErasureId>("erasure_id", &request.erasure_id);
    let (id,) = v.finish_with((id,))?;
    let mut conn = app.db.read().await?;
    let erasure = erasures::erasure(&mut conn, id).await?;
    let erasure = erasure.ok_or_else(|| Fault::not_found("erasure", id.to_string()))?;
    Ok(Response::new(GetErasureResponse { erasure: Some(erasure) }))
}
