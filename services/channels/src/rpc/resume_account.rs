//! ResumeAccount: it goes on where it stopped.

use omnimesh_kit::call::Call;
use omnimesh_proto::channels::v1::{ResumeAccountRequest, ResumeAccountResponse};
use tonic::Response;

use super::{account_id, set_active};
use crate::{app::App, error::Error};

pub(super) async fn run(
    app: &App,
    _: &Call,
    request: ResumeAccountRequest,
) -> Result<Response<ResumeAccountResponse>, Error> {
    let id = account_id(&request.account_id)?;
    Ok(Response::new(ResumeAccountResponse { account: Some(set_active(app, id, true).await?) }))
}
