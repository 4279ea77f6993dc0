//! What the retailer does with a package: take it on, invoice it, split it, and say what can't be supplied.

use http::Method;
use omnimesh_connector_sdk::{
    AcknowledgeOrder, Bucket, CancelLines, Exact, Failure, Flow, Limits, PushShipment, Reply, Request, done, pending,
};
use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::connectors::v1::{
    AcknowledgeOrderRequest, CancelLinesRequest, CancelReason, Idempotency, NativeLine, OrderRef, Outcome,
    PushShipmentRequest,
};

use crate::{
    Trendyol,
    account::Account,
    map,
    wire::{Content, LineQuantity, Params, Split, SplitLine, SplitPackage, Unsupplied, UpdatePackage},
};

const UPDATE: [Bucket; 2] = [Bucket::new("picking", 300, 60), Bucket::new("picking.burst", 50, 10)];
const CANCEL: [Bucket; 2] = [Bucket::new("cancel", 100, 60), Bucket::new("cancel.burst", 50, 10)];
const SPLIT: [Bucket; 2] = [Bucket::new("split", 100, 60), Bucket::new("split.burst", 50, 10)];
const PACKAGE: &str = "/integration/order/sellers/{seller}/shipment-packages/{package}";

/// Setting a state twice is setting it once.
const STATE: Limits = Limits { max_batch: 0, max_window_days: 0, ordered: true, idempotency: Idempotency::Emulated };
/// A package in the place of another: asking twice would take from the new one.
const REPLACING: Limits = Limits { idempotency: Idempotency::None, ..STATE };

impl Flow<AcknowledgeOrder, Account> for Trendyol {
    fn limits(&self) -> Limits {
        STATE
    }

    fn request(&self, account: &Account, input: &AcknowledgeOrderRequest, _: Timestamp) -> Result<Request, Failure> {
        update(account, input.order.as_ref(), &input.lines, "Picking", None)
    }

    fn reply(&self, _: &Account, _: &AcknowledgeOrderRequest, _: &Reply, _: Timestamp) -> Result<Outcome, Failure> {
        Ok(done(Vec::new()))
    }
}

impl Flow<PushShipment, Account> for Trendyol {
    fn limits(&self) -> Limits {
        REPLACING
    }

    fn request(&self, account: &Account, input: &PushShipmentRequest, _: Timestamp) -> Result<Request, Failure> {
        if !input.carrier.is_empty() || !input.tracking_number.is_empty() {
            return Err(Failure::invalid("the marketplace chooses the carrier and gives the tracking number itself"));
        }
        if input.partial {
            return split(account, input.order.as_ref(), &input.lines);
        }
        if input.invoice_number.is_empty() {
            return Err(Failure::invalid("an invoice number must be given: it is all that the marketplace is told"));
        }
        update(account, input.order.as_ref(), &input.lines, "Invoiced", Some(&input.invoice_number))
    }

    fn reply(&self, _: &Account, input: &PushShipmentRequest, _: &Reply, _: Timestamp) -> Result<Outcome, Failure> {
        let order = named(input.order.as_ref())?;
        Ok(match input.partial {
            true => pending(format!("split:{}:{}", order.native_id, order.group_id)),
            false => done(Vec::new()),
        })
    }
}

impl Flow<CancelLines, Account> for Trendyol {
    fn limits(&self) -> Limits {
        REPLACING
    }

    fn request(&self, account: &Account, input: &CancelLinesRequest, _: Timestamp) -> Result<Request, Failure> {
        let reason_id = match input.reason() {
            CancelReason::OutOfStock => 500,
            CancelReason::Damaged => 501,
            CancelReason::WrongPrice => 502,
            CancelReason::Undeliverable => 505,
            CancelReason::Other => 506,
            CancelReason::Unspecified => return Err(Failure::invalid("a reason must be given")),
        };
        let order = named(input.order.as_ref())?;
        let url = account.url("order", &["shipment-packages", &order.native_id, "items", "unsupplied"])?;
        let body = Unsupplied { lines: quantities(&input.lines)?, reason_id };
        let route = "/integration/order/sellers/{seller}/shipment-packages/{package}/items/unsupplied";
        account.sign(Request::json(Method::PUT, route, url, &body)?.within(&CANCEL))
    }

    fn reply(&self, _: &Account, _: &CancelLinesRequest, _: &Reply, _: Timestamp) -> Result<Outcome, Failure> {
        // What is left of the package has a new id, which the next pull shows.
        Ok(done(Vec::new()))
    }
}

fn update(
    account: &Account,
    order: Option<&OrderRef>,
    lines: &[NativeLine],
    status: &'static str,
    invoice_number: Option<&str>,
) -> Result<Request, Failure> {
    let url = account.url("order", &["shipment-packages", &named(order)?.native_id])?;
    let body = UpdatePackage { lines: quantities(lines)?, params: Params { invoice_number }, status };
    account.sign(Request::json(Method::PUT, PACKAGE, url, &body)?.within(&UPDATE))
}

fn split(account: &Account, order: Option<&OrderRef>, lines: &[NativeLine]) -> Result<Request, Failure> {
    let order = named(order)?;
    if order.group_id.is_empty() {
        return Err(Failure::invalid(
            "the order number must be given to split a package: what it became is found by it",
        ));
    }
    let line = |line: LineQuantity| SplitLine { order_line_id: line.line_id, quantities: line.quantity };
    let package_details = quantities(lines)?.into_iter().map(line).collect();
    let url = account.url("order", &["shipment-packages", &order.native_id, "split-packages"])?;
    let body = Split { split_packages: [SplitPackage { package_details }] };
    let route = "/integration/order/sellers/{seller}/shipment-packages/{package}/split-packages";
    account.sign(Request::json(Method::POST, route, url, &body)?.within(&SPLIT))
}

/// The packages that took the place of a split one; PENDING until there are any.
pub(crate) fn replaced(operation_id: &str, package: &str, reply: &Reply) -> Result<Outcome, Failure> {
    let content: Content = reply.json()?;
    let packages = content.content.iter().filter_map(|raw| map::package(raw).ok());
    let of_it = packages.filter(|p| p.origin_package_ids.iter().flatten().map(Exact::as_str).any(|id| id == package));
    let ids: Vec<_> = of_it.filter_map(|package| map::package_id(&package).ok()).filter(|id| id != package).collect();
    Ok(if ids.is_empty() { pending(operation_id) } else { done(ids) })
}

fn named(order: Option<&OrderRef>) -> Result<&OrderRef, Failure> {
    order.ok_or_else(|| Failure::invalid("an order must be given"))
}

/// Lines with ids as numbers, which they are to Trendyol.
fn quantities(lines: &[NativeLine]) -> Result<Vec<LineQuantity>, Failure> {
    let number = |line: &NativeLine| -> Result<LineQuantity, Failure> {
        let line_id = line.native_id.parse().map_err(|_| Failure::invalid("the id of a line is a number"))?;
        Ok(LineQuantity { line_id, quantity: line.quantity })
    };
    lines.iter().map(number).collect()
}
