//! RecordInteraction: what a channel outside the mesh did.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{RecordInteractionRequest, RecordInteractionResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: RecordInteractionRequest,
) -> Result<Response<RecordInteractionResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
