//! SplitProfile: merges undone.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{SplitProfileRequest, SplitProfileResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: SplitProfileRequest,
) -> Result<Response<SplitProfileResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
