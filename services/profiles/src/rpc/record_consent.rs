//! RecordConsent: what was said about an address.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{RecordConsentRequest, RecordConsentResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: RecordConsentRequest,
) -> Result<Response<RecordConsentResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
