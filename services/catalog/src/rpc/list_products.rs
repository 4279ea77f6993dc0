//! Products by SKU, or by the beginnings of their words.

use omnimesh_kit::{
    call::Call,
    page::{PageToken, page_size},
    validate::Violations,
};
use omnimesh_proto::{
    catalog::v1::{ListProductsRequest, ListProductsResponse},
    common::v1::Cursor,
};
use prost::Message as _;
use tonic::Response;

use super::{State, shown_to};
use crate::{
    domain::{check, product::words},
    error::Error,
    store::products::{self, Filter},
};

/// More words than this don't make a search narrower.
const MAX_WORDS: usize = 8;

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: ListProductsRequest,
) -> Result<Response<ListProductsResponse>, Error> {
    let mut v = Violations::new();
    check::free(&mut v, "query", &request.query, 0..=500);
    v.check("skus", request.skus.len() <= 200, "must be at most 200");
    v.check("skus", request.skus.is_empty() || request.query.is_empty(), "must be empty where query is given");
    for sku in request.skus.iter().take(200) {
        check::sku(&mut v, "skus", sku);
    }
    v.finish()?;
    let size = page_size(request.page_size, 50, 200)?;
    let (principal, filter) = (call.principal(), filter_bytes(&request));
    let cursor = PageToken::open(&state.secrets, &principal, &filter, &request.page_token)?;
    let after = cursor.keys.first().map_or("", String::as_str);

    let filter_by = match (request.query.trim(), request.skus) {
        ("", skus) if skus.is_empty() => Filter::All,
        ("", skus) => Filter::Skus(skus),
        // A query of punctuation alone has no words, and finds nothing.
        (query, _) => Filter::Words(words(query).into_iter().take(MAX_WORDS).collect()),
    };
    let mut conn = state.db.read().await?;
    let mut found = products::list(&mut conn, &filter_by, after, size + 1).await?;
    let more = i64::try_from(found.len()).is_ok_and(|length| length > size);
    found.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let last =
        found.last().filter(|_| more).map(|kept| Cursor { keys: vec![kept.product.sku.clone()], ..Cursor::default() });
    let next_page_token = last.map(|cursor| PageToken::seal(&state.secrets, &principal, &filter, &cursor));
    let products = found.iter().map(|kept| shown_to(call, kept.product.to_proto(kept.version, Some(kept.updated_at))));
    Ok(Response::new(ListProductsResponse {
        products: products.collect(),
        next_page_token: next_page_token.unwrap_or_default(),
    }))
}

fn filter_bytes(request: &ListProductsRequest) -> Vec<u8> {
    let asked = ListProductsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    [b"ListProducts".to_vec(), asked.encode_to_vec()].concat()
}
