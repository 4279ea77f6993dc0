//! Stock and prices: taken at once, done at the second look.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Shared},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Stand, error, state};

/// Products with such a barcode are none of the seller's.
const UNKNOWN: &str = "unknown";
const QUARTER_HOUR: i64 = 15 * 60_000;

#[derive(Deserialize)]
struct Push {
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    barcode: String,
    quantity: Option<i64>,
    sale_price: Option<Box<RawValue>>,
    list_price: Option<Box<RawValue>>,
}

pub(super) async fn push(Shared(sandbox): Stand, body: Bytes) -> Response {
    let Ok(push) = serde_json::from_slice::<Push>(&body) else {
        return error(StatusCode::BAD_REQUEST, "body", "not what is documented");
    };
    if push.items.is_empty() || push.items.len() > 1_000 {
        return error(StatusCode::BAD_REQUEST, "items", "1 to 1000");
    }
    let (mut state, now) = (sandbox.state(), state::now());
    state.bodies.retain(|(_, at)| now - at < QUARTER_HOUR);
    if state.bodies.iter().any(|(known, _)| *known == body) {
        let message = "15 dakika boyunca aynı isteği tekrarlı olarak atamazsınız!";
        return error(StatusCode::BAD_REQUEST, "", message);
    }
    state.bodies.push((body.to_vec(), now));
    let mut fates = Vec::new();
    for item in push.items {
        let whole = item.sale_price.is_some() == item.list_price.is_some();
        let countable = item.quantity.is_none_or(|quantity| (0..=20_000).contains(&quantity));
        let checks = [
            (!item.barcode.starts_with(UNKNOWN), "Barkod bulunamadı"),
            (countable, "Stok 0-20000 arası olmalı"),
            (whole, "Fiyatlar birlikte gönderilmeli"),
        ];
        let reason = checks.iter().find(|(good, _)| !good).map(|(_, reason)| *reason);
        let status = if reason.is_some() { "FAILED" } else { "SUCCESS" };
        let failure_reasons: Vec<_> = reason.into_iter().collect();
        let request_item = json!({ "barcode": item.barcode, "quantity": item.quantity });
        fates.push(json!({ "requestItem": request_item, "status": status, "failureReasons": failure_reasons }));
        if reason.is_none() {
            let listing = state.listings.entry(item.barcode).or_default();
            listing.quantity = item.quantity.or(listing.quantity);
            listing.sale_price = item.sale_price.map(|price| price.get().to_owned()).or(listing.sale_price.take());
        }
    }
    let id = format!("batch-{}", state.id());
    state.batches.insert(id.clone(), (fates, 0));
    Json(json!({ "batchRequestId": id })).into_response()
}

pub(super) async fn batch(Shared(sandbox): Stand, Path((_, id)): Path<(String, String)>) -> Response {
    let mut state = sandbox.state();
    let Some((fates, asked)) = state.batches.get_mut(&id) else {
        return error(StatusCode::NOT_FOUND, "batch.not.found", "no such batch");
    };
    *asked += 1;
    let (status, items) = if *asked == 1 { ("IN_PROGRESS", Vec::new()) } else { ("COMPLETED", fates.clone()) };
    let failed = items.iter().filter(|item| item["status"] == "FAILED").count();
    Json(json!({
        "batchRequestId": id, "status": status, "itemCount": fates.len(), "failedItemCount": failed, "items": items,
    }))
    .into_response()
}
