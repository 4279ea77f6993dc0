//! EraseProfile: a customer is forgotten in every service.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{EraseProfileRequest, EraseProfileResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: EraseProfileRequest,
) -> Result<Response<EraseProfileResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
