//! CheckAccount: the connector asks the marketplace.

use omnimesh_kit::{call::Call, error::Fault};
use omnimesh_proto::{
    channels::v1::{CheckAccountRequest, CheckAccountResponse},
    connectors::v1::CheckRequest,
};
use tonic::Response;

use super::{account, account_id};
use crate::{app::App, error::Error};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: CheckAccountRequest,
) -> Result<Response<CheckAccountResponse>, Error> {
    let id = account_id(&request.account_id)?;
    let account = account(&mut app.deps.db.read().await?, id).await?;
    let request = CheckRequest { credentials_ref: account.credentials_ref() };
    let answer = app.connector(&account, call).check(request).await.map_err(Fault::upstream)?.into_inner();
    Ok(Response::new(CheckAccountResponse { verdict: answer.verdict, error: answer.error }))
}
