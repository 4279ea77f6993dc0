//! Orders, newest first: the caller's own.

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    page::{PageToken, page_size},
};
use omnimesh_proto::{
    common::v1::Cursor,
    orders::v1::{ListOrdersRequest, ListOrdersResponse},
};
use prost::Message as _;
use tonic::Response;

use super::filter;
use crate::{
    access::{has_a_history, restrict},
    app::App,
    error::Error,
    store::lists::{self, After},
    wire,
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ListOrdersRequest,
) -> Result<Response<ListOrdersResponse>, Error> {
    let mut filter = filter::check(request.filter.as_ref())?;
    let size = page_size(request.page_size, 50, 100)?;
    let (secrets, principal) = (&app.deps.secrets, call.principal());
    let mut named = b"ListOrders ".to_vec();
    named.extend(request.filter.unwrap_or_default().encode_to_vec());
    let cursor = PageToken::open(secrets, &principal, &named, &request.page_token)?;
    let mut conn = app.deps.db.read().await?;
    let Some(scope) = restrict(&mut conn, call, &mut filter).await? else {
        return Ok(Response::new(ListOrdersResponse::default()));
    };
    let after = after_of(&cursor).unwrap_or_default();
    // One more than asked for tells whether there is another page.
    let mut found = lists::newest(&mut conn, &filter, scope.customer, after, size + 1).await?;
    if found.is_empty() {
        has_a_history(&mut conn, call).await?;
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|last| {
        let placed_at = last.placed_at.map_or(0, Timestamp::micros);
        let cursor = Cursor { keys: vec![placed_at.to_string(), last.id.0.to_string()], ..Cursor::default() };
        PageToken::seal(secrets, &principal, &named, &cursor)
    });
    Ok(Response::new(ListOrdersResponse {
        orders: found.iter().map(wire::order).collect(),
        next_page_token: next.unwrap_or_default(),
    }))
}

fn after_of(cursor: &Cursor) -> Option<After> {
    let [placed_at, id] = cursor.keys.as_slice() else { return None };
    Some(After { placed_at: Timestamp::from_micros(placed_at.parse().ok()?), id: id.parse().ok()? })
}
