//! ExportProfile: everything held about a customer.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::ExportProfileRequest;
use tonic::{Response, Status};

use super::{App, Exported};

pub(super) async fn run(_app: &App, _call: Call, _request: ExportProfileRequest) -> Result<Response<Exported>, Status> {
    Err(Status::unimplemented("scaffold"))
}
