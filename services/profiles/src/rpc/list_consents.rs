//! ListConsents: what was said, newest first.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{ListConsentsRequest, ListConsentsResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: ListConsentsRequest,
) -> Result<Response<ListConsentsResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
