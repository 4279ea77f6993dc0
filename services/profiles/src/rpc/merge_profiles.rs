//! MergeProfiles: two profiles that somebody knows to be one.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{MergeProfilesRequest, MergeProfilesResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: MergeProfilesRequest,
) -> Result<Response<MergeProfilesResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
