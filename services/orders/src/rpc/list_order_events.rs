//! What happened to an order, oldest first.

use omnimesh_kit::{
    call::Call,
    page::{PageToken, page_size},
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::Cursor,
    orders::v1::{ListOrderEventsRequest, ListOrderEventsResponse},
};
use tonic::Response;

use crate::{
    access::visible,
    app::App,
    domain::OrderId,
    error::Error,
    store::{events, orders},
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ListOrderEventsRequest,
) -> Result<Response<ListOrderEventsResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<OrderId>("order_id", &request.order_id);
    let (id,) = v.finish_with((id,))?;
    let size = page_size(request.page_size, 100, 200)?;
    let (secrets, principal) = (&app.deps.secrets, call.principal());
    let named = format!("ListOrderEvents {id}");
    let cursor = PageToken::open(secrets, &principal, named.as_bytes(), &request.page_token)?;
    let after = cursor.keys.first().and_then(|key| key.parse().ok()).unwrap_or(0);
    let mut conn = app.deps.db.read().await?;
    let found = orders::find(&mut conn, id).await?;
    visible(&mut conn, call, found).await?;
    let mut events = events::after(&mut conn, id, after, size + 1).await?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = events.len() > size;
    events.truncate(size);
    let next = events.last().filter(|_| more).map(|last| {
        let cursor = Cursor { keys: vec![last.sequence.to_string()], ..Cursor::default() };
        PageToken::seal(secrets, &principal, named.as_bytes(), &cursor)
    });
    Ok(Response::new(ListOrderEventsResponse { events, next_page_token: next.unwrap_or_default() }))
}
