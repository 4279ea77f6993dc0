//! AcceptMergeSuggestion: the two are one.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{AcceptMergeSuggestionRequest, AcceptMergeSuggestionResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: AcceptMergeSuggestionRequest,
) -> Result<Response<AcceptMergeSuggestionResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
