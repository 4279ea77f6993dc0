//! SearchProfiles: profiles by what is known of them.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{SearchProfilesRequest, SearchProfilesResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: SearchProfilesRequest,
) -> Result<Response<SearchProfilesResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
