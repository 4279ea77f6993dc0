//! ListMergeSuggestions: pairs that may be one customer.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{ListMergeSuggestionsRequest, ListMergeSuggestionsResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: ListMergeSuggestionsRequest,
) -> Result<Response<ListMergeSuggestionsResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
