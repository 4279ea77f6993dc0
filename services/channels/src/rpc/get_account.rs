//! GetAccount: an account, and how it is in sync.

use omnimesh_kit::call::Call;
use omnimesh_proto::channels::v1::{GetAccountRequest, GetAccountResponse};
use tonic::Response;

use super::{account, account_id, shown};
use crate::{app::App, error::Error};

pub(super) async fn run(
    app: &App,
    _: &Call,
    request: GetAccountRequest,
) -> Result<Response<GetAccountResponse>, Error> {
    let id = account_id(&request.account_id)?;
    let mut conn = app.deps.db.read().await?;
    let account = account(&mut conn, id).await?;
    Ok(Response::new(GetAccountResponse { account: Some(shown(&mut conn, &account, app.now()).await?) }))
}
