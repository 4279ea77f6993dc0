//! CheckConsent: whether something may be sent.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{CheckConsentRequest, CheckConsentResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: CheckConsentRequest,
) -> Result<Response<CheckConsentResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
