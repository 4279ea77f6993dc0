//! ListApiKeys: newest first, without secrets.

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    error::Fault,
    page::{PageToken, page_size},
};
use omnimesh_proto::{
    common::v1::Cursor,
    sessions::v1::{ListApiKeysRequest, ListApiKeysResponse},
};
use tonic::Response;

use super::App;
use crate::{error::Error, store};

const FILTER: &[u8] = b"sessions.v1.ListApiKeys";

pub(super) async fn run(
    app: &App,
    call: Call,
    request: ListApiKeysRequest,
) -> Result<Response<ListApiKeysResponse>, Error> {
    let size = page_size(request.page_size, 50, 100)?;
    let (secrets, principal) = (&app.deps.secrets, call.principal());
    let cursor = PageToken::open(secrets, &principal, FILTER, &request.page_token)?;
    let (created_at, id) = match cursor.keys.as_slice() {
        [] => (i64::MAX, ""),
        [created_at, id] => (created_at.parse().map_err(Fault::internal)?, id.as_str()),
        _ => return Err(Fault::internal("a page token of another form").into()),
    };
    let mut conn = app.deps.db.read().await?;
    let mut keys = store::keys::after(&mut conn, Timestamp::from_micros(created_at), id, size + 1).await?;
    let page = usize::try_from(size).unwrap_or(usize::MAX);
    let more = keys.len() > page;
    keys.truncate(page);
    let next_page_token = match keys.last().filter(|_| more) {
        Some(last) => {
            let keys = vec![last.created_at.micros().to_string(), last.id.clone()];
            PageToken::seal(secrets, &principal, FILTER, &Cursor { keys, ..Cursor::default() })
        }
        None => String::new(),
    };
    let api_keys = keys.iter().map(|key| key.to_proto()).collect();
    Ok(Response::new(ListApiKeysResponse { api_keys, next_page_token }))
}
