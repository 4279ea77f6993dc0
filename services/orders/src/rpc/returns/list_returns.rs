//! Returns, newest first: the caller's own.

use omnimesh_kit::{
    call::Call,
    page::{PageToken, page_size},
    validate::Violations,
};
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::Cursor,
    orders::v1::{ListReturnsRequest, ListReturnsResponse},
};
use prost::Message as _;
use tonic::Response;
use uuid::Uuid;

use super::shown;
use crate::{
    access::{has_a_history, restrict},
    app::App,
    domain::{OrderId, ReturnState},
    error::Error,
    store::{
        lists::Filter,
        returns::{self, ReturnFilter},
    },
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ListReturnsRequest,
) -> Result<Response<ListReturnsResponse>, Error> {
    let filter = check(&request)?;
    let size = page_size(request.page_size, 50, 100)?;
    let (secrets, principal) = (&app.deps.secrets, call.principal());
    let asked = ListReturnsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let mut named = b"ListReturns ".to_vec();
    named.extend(asked.encode_to_vec());
    let cursor = PageToken::open(secrets, &principal, &named, &request.page_token)?;
    let before = cursor.keys.first().and_then(|key| key.parse().ok()).unwrap_or(Uuid::max());
    let mut conn = app.deps.db.read().await?;
    // Whose orders they may be is as for orders.
    let mut of_orders = Filter::default();
    let Some(scope) = restrict(&mut conn, call, &mut of_orders).await? else {
        return Ok(Response::new(ListReturnsResponse::default()));
    };
    let some_stores = call.identity().audience() == Audience::Staff && !of_orders.stores.is_empty();
    let filter = ReturnFilter {
        account: of_orders.account,
        customer: scope.customer,
        stores: some_stores.then_some(of_orders.stores),
        ..filter
    };
    let mut found = returns::newest(&mut conn, &filter, before, size + 1).await?;
    if found.is_empty() {
        has_a_history(&mut conn, call).await?;
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|(last, _)| {
        let cursor = Cursor { keys: vec![last.0.to_string()], ..Cursor::default() };
        PageToken::seal(secrets, &principal, &named, &cursor)
    });
    let shown = found.iter().map(|(id, order)| Ok(shown(order, *id)?));
    let returns = shown.collect::<Result<_, Error>>()?;
    Ok(Response::new(ListReturnsResponse { returns, next_page_token: next.unwrap_or_default() }))
}

fn check(request: &ListReturnsRequest) -> Result<ReturnFilter, Error> {
    let mut v = Violations::new();
    let order = v.parse_optional::<OrderId>("order_id", &request.order_id);
    let mut states = Vec::new();
    for (place, state) in request.states.iter().enumerate() {
        let state = ReturnState::from_number(*state);
        v.check(format!("states[{place}]"), state.is_some(), "must be a known state");
        states.extend(state.map(|state| state.as_str().to_owned()));
    }
    let location = v.text("location_id", &request.location_id, 0..=64).filter(|text| !text.is_empty());
    v.finish()?;
    let order = order.flatten().map(|order| order.0);
    Ok(ReturnFilter { order, states, location, ..ReturnFilter::default() })
}
