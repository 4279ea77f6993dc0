//! RejectMergeSuggestion: the two are kept apart for ever.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{RejectMergeSuggestionRequest, RejectMergeSuggestionResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: RejectMergeSuggestionRequest,
) -> Result<Response<RejectMergeSuggestionResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
