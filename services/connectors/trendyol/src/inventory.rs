//! Stock and prices: batches that Trendyol takes at once and works on for a while. An item's fate is known when the batch is done.

use http::Method;
use omnimesh_connector_sdk::{
    Bucket, Failure, Flow, GetOperation, Kind, Limits, PushPrice, PushStock, Reply, Request, decimal, partial, pending,
};
use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::connectors::v1::{
    Amount, GetOperationRequest, Idempotency, Outcome, PushPriceRequest, PushStockRequest, SalePrice, StockLevel,
};
use serde_json::value::RawValue;

use crate::{
    Trendyol,
    account::Account,
    error, orders, packages,
    wire::{Batch, BatchItem, BatchResult, Inventory, InventoryItem},
};

/// Items of a batch.
const BATCH: usize = 1_000;
const PUSH: [Bucket; 1] = [Bucket::new("inventory", 50, 10)];
const READ: [Bucket; 1] = [Bucket::new("batches", 50, 10)];
/// A value set twice is set once. A batch overtaken by an older one would leave the older value.
const VALUES: Limits =
    Limits { max_batch: BATCH, max_window_days: 0, ordered: true, idempotency: Idempotency::Emulated };

impl Flow<PushStock, Account> for Trendyol {
    fn limits(&self) -> Limits {
        VALUES
    }

    fn request(&self, account: &Account, input: &PushStockRequest, _: Timestamp) -> Result<Request, Failure> {
        let item = |level: &StockLevel| -> Result<InventoryItem, Failure> {
            let barcode = barcode(&level.barcode)?;
            Ok(InventoryItem { barcode, quantity: Some(level.quantity), sale_price: None, list_price: None })
        };
        push(account, input.levels.iter().map(item).collect::<Result<_, _>>()?)
    }

    fn reply(&self, _: &Account, _: &PushStockRequest, reply: &Reply, _: Timestamp) -> Result<Outcome, Failure> {
        taken(reply)
    }
}

impl Flow<PushPrice, Account> for Trendyol {
    fn limits(&self) -> Limits {
        VALUES
    }

    fn request(&self, account: &Account, input: &PushPriceRequest, _: Timestamp) -> Result<Request, Failure> {
        let item = |price: &SalePrice| -> Result<InventoryItem, Failure> {
            let sale = number(price.sale_price.as_ref())?;
            let list = price.list_price.as_ref().or(price.sale_price.as_ref());
            Ok(InventoryItem {
                barcode: barcode(&price.barcode)?,
                quantity: None,
                sale_price: Some(sale),
                list_price: Some(number(list)?),
            })
        };
        push(account, input.prices.iter().map(item).collect::<Result<_, _>>()?)
    }

    fn reply(&self, _: &Account, _: &PushPriceRequest, reply: &Reply, _: Timestamp) -> Result<Outcome, Failure> {
        taken(reply)
    }
}

impl Flow<GetOperation, Account> for Trendyol {
    fn limits(&self) -> Limits {
        Limits::READ
    }

    fn request(&self, account: &Account, input: &GetOperationRequest, _: Timestamp) -> Result<Request, Failure> {
        match operation(&input.operation_id)? {
            Pending::Batch(id) => {
                let url = account.url("product", &["products", "batch-requests", id])?;
                let route = "/integration/product/sellers/{seller}/products/batch-requests/{batch}";
                account.sign(Request::get(route, url).within(&READ))
            }
            Pending::Split { order_number, .. } => orders::of_order(account, order_number),
        }
    }

    fn reply(&self, _: &Account, input: &GetOperationRequest, reply: &Reply, _: Timestamp) -> Result<Outcome, Failure> {
        match operation(&input.operation_id)? {
            Pending::Batch(_) => batch(&input.operation_id, reply),
            Pending::Split { package, .. } => packages::replaced(&input.operation_id, package, reply),
        }
    }
}

/// What this connector says PENDING to.
enum Pending<'a> {
    Batch(&'a str),
    Split { package: &'a str, order_number: &'a str },
}

fn operation(id: &str) -> Result<Pending<'_>, Failure> {
    match id.split_once(':') {
        Some(("batch", id)) => Some(Pending::Batch(id)),
        Some(("split", rest)) => {
            rest.split_once(':').map(|(package, order_number)| Pending::Split { package, order_number })
        }
        _ => None,
    }
    .ok_or_else(|| Failure::invalid("an operation id of a PENDING outcome is accepted"))
}

fn push(account: &Account, items: Vec<InventoryItem>) -> Result<Request, Failure> {
    let url = account.url("inventory", &["products", "price-and-inventory"])?;
    let route = "/integration/inventory/sellers/{seller}/products/price-and-inventory";
    account.sign(Request::json(Method::POST, route, url, &Inventory { items })?.within(&PUSH))
}

fn taken(reply: &Reply) -> Result<Outcome, Failure> {
    let batch: Batch = reply.json()?;
    match batch.batch_request_id.is_empty() {
        true => Err(Failure::vendor_bug("an answer without batchRequestId")),
        false => Ok(pending(format!("batch:{}", batch.batch_request_id))),
    }
}

/// Transport OK never means item OK: each item has its own fate.
fn batch(operation_id: &str, reply: &Reply) -> Result<Outcome, Failure> {
    let batch: BatchResult = reply.json()?;
    let ended = |status: Option<&str>| matches!(status, Some("SUCCESS" | "FAILED"));
    let all = batch.items.len() >= batch.item_count.unwrap_or_default();
    let items_ended = !batch.items.is_empty() && all && batch.items.iter().all(|item| ended(item.status.as_deref()));
    match batch.status.as_deref() {
        Some("COMPLETED") => {}
        // Batches of stock and prices have been seen without a status.
        None if items_ended => {}
        _ => return Ok(pending(operation_id)),
    }
    let item = |item: BatchItem| {
        let failure = match item.status.as_deref() {
            Some("SUCCESS") => None,
            Some("FAILED") => Some(error::of_item(&item.failure_reasons.unwrap_or_default())),
            _ => Some(Failure::new(Kind::UnknownOutcome, "the batch is done and says nothing of this item")),
        };
        (item.request_item.barcode.to_string(), failure)
    };
    Ok(partial(batch.items.into_iter().map(item).collect()))
}

fn barcode(barcode: &str) -> Result<String, Failure> {
    match barcode.is_empty() {
        true => Err(Failure::invalid("a barcode must be given: the marketplace knows products by it")),
        false => Ok(barcode.to_owned()),
    }
}

/// The amount as a number of JSON, digit by digit.
fn number(amount: Option<&Amount>) -> Result<Box<RawValue>, Failure> {
    let value = amount.and_then(|amount| decimal(&amount.decimal));
    let text = value.ok_or_else(|| Failure::invalid("a price must be given"))?.to_string();
    RawValue::from_string(text).map_err(|_| Failure::invalid("a price is a decimal"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use omnimesh_proto::connectors::v1::outcome::Result::{Done, Partial, Pending};

    use super::*;

    fn read(body: &'static str) -> Outcome {
        let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() };
        batch("batch:1", &reply).unwrap()
    }

    #[test]
    fn a_batch_is_done_when_every_item_is() {
        let open = [
            r#"{"status":"IN_PROGRESS","itemCount":1,"items":[]}"#,
            r#"{"itemCount":0,"items":[]}"#,
            r#"{"itemCount":2,"items":[{"requestItem":{"barcode":"1"},"status":"SUCCESS"}]}"#,
            r#"{"itemCount":1,"items":[{"requestItem":{"barcode":"1"},"status":"PROCESSING"}]}"#,
            r#"{"status":"OnTheMoon","itemCount":1,"items":[{"requestItem":{"barcode":"1"},"status":"SUCCESS"}]}"#,
        ];
        for body in open {
            assert!(matches!(read(body).result, Some(Pending(_))), "{body}");
        }
        let done = r#"{"itemCount":1,"failedItemCount":0,"items":[{"requestItem":{"barcode":"1"},"status":"SUCCESS","failureReasons":[]}]}"#;
        assert!(matches!(read(done).result, Some(Done(_))));
        let mixed = r#"{"status":"COMPLETED","itemCount":3,"items":[{"requestItem":{"barcode":"1"},"status":"SUCCESS"},
            {"requestItem":{"barcode":"2"},"status":"FAILED","failureReasons":["Barkod bulunamadı"]},{"requestItem":{"barcode":3}}]}"#;
        let Some(Partial(partial)) = read(mixed).result else { panic!("not in part") };
        let kinds: Vec<_> =
            partial.items.iter().map(|item| (item.item.as_str(), item.error.as_ref().map(|e| e.kind()))).collect();
        assert_eq!(kinds, [("1", None), ("2", Some(Kind::Invalid)), ("3", Some(Kind::UnknownOutcome))]);
    }

    #[test]
    fn prices_are_written_as_they_are() {
        let price = Amount { decimal: "1234567890123.10".to_owned(), currency_code: "TRY".to_owned() };
        assert_eq!(number(Some(&price)).unwrap().get(), "1234567890123.10");
        assert!(number(None).is_err());
    }
}
