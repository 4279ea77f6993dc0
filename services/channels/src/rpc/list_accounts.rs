//! ListAccounts: oldest first.

use omnimesh_kit::{call::Call, page::page_size};
use omnimesh_proto::channels::v1::{ListAccountsRequest, ListAccountsResponse};
use tonic::Response;

use super::{begin, cut, shown};
use crate::{app::App, error::Error, store::accounts};

const FILTER: &[u8] = b"channels.v1.ListAccounts";

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ListAccountsRequest,
) -> Result<Response<ListAccountsResponse>, Error> {
    let size = page_size(request.page_size, 50, 100)?;
    let after = begin(&app.deps.secrets, call, FILTER, &request.page_token)?;
    let mut conn = app.deps.db.read().await?;
    let mut found = accounts::after(&mut conn, after, size + 1).await?;
    let next_page_token = cut(&app.deps.secrets, call, FILTER, &mut found, size, |account| account.id.0);
    let mut accounts = Vec::with_capacity(found.len());
    for account in &found {
        accounts.push(shown(&mut conn, account, app.now()).await?);
    }
    Ok(Response::new(ListAccountsResponse { accounts, next_page_token }))
}
