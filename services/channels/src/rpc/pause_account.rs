//! PauseAccount: nothing is pulled or sent until it is resumed.

use omnimesh_kit::call::Call;
use omnimesh_proto::channels::v1::{PauseAccountRequest, PauseAccountResponse};
use tonic::Response;

use super::{account_id, set_active};
use crate::{app::App, error::Error};

pub(super) async fn run(
    app: &App,
    _: &Call,
    request: PauseAccountRequest,
) -> Result<Response<PauseAccountResponse>, Error> {
    let id = account_id(&request.account_id)?;
    Ok(Response::new(PauseAccountResponse { account: Some(set_active(app, id, false).await?) }))
}
