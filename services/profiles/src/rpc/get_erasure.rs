//! GetErasure: how far an erasure has come.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{GetErasureRequest, GetErasureResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: GetErasureRequest,
) -> Result<Response<GetErasureResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
