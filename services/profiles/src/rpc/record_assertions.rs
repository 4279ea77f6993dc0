//! RecordAssertions: what a channel claims about a person, and which profile that is.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{RecordAssertionsRequest, RecordAssertionsResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: RecordAssertionsRequest,
) -> Result<Response<RecordAssertionsResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
