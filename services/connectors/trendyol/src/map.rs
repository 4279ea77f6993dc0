//! Trendyol's packages and claims in the mesh's words. Pure.

use std::collections::BTreeMap;

use omnimesh_connector_sdk::{Exact, amount};
use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::{
    common::v1::{Address as MeshAddress, Contact, contact},
    connectors::v1::{
        Amount, ChannelOrder, ChannelOrderLine, ChannelOrderState as State, ChannelReturn, ChannelReturnItem,
        ChannelReturnState, UnreadableItem, VendorTime,
    },
};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::wire::{Address, Claim, ClaimItem, Line, Package};

/// `orderDate` is told as if Türkiye's clock showed UTC.
const TURKIYE_MILLIS: i64 = 3 * 3_600_000;
const TOO_LARGE: &str = "an amount too large";

/// What could be read of a page's content, and what could not.
pub(crate) fn each<T>(
    content: &[Box<RawValue>],
    read: impl Fn(&RawValue) -> Result<T, String>,
) -> (Vec<T>, Vec<UnreadableItem>) {
    let (mut items, mut unreadable) = (Vec::new(), Vec::new());
    for raw in content {
        match read(raw) {
            Ok(item) => items.push(item),
            Err(problem) => {
                unreadable.push(UnreadableItem { native_id: id_in(raw), problem, raw: raw.get().as_bytes().to_vec() })
            }
        }
    }
    (items, unreadable)
}

/// The id of something that can't be read as a whole.
fn id_in(raw: &RawValue) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Ids {
        id: Exact,
        shipment_package_id: Exact,
    }
    let ids: Ids = serde_json::from_str(raw.get()).unwrap_or_default();
    first([&ids.shipment_package_id, &ids.id]).to_string()
}

/// The package of a text. What is wrong with it is said without what it holds.
pub(crate) fn package(raw: &RawValue) -> Result<Package, String> {
    parse(raw)
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get())
        .map_err(|error| format!("not what is documented, at line {}, column {}", error.line(), error.column()))
}

/// The package's own id.
pub(crate) fn package_id(package: &Package) -> Result<String, String> {
    let id = first([&package.shipment_package_id, &package.id]);
    if id.is_empty() { Err("a package without an id".to_owned()) } else { Ok(id.to_string()) }
}

/// The vendor's word for where a package stands.
pub(crate) fn status(package: &Package) -> &str {
    package.status.as_deref().or(package.shipment_package_status.as_deref()).unwrap_or_default()
}

/// When a package changed last. The older names don't say: its history does.
pub(crate) fn modified(package: &Package) -> Option<VendorTime> {
    let histories = package.package_histories.iter().flatten().map(|history| &history.created_date);
    let latest = histories.filter(|date| date.whole().is_some()).max_by_key(|date| date.whole());
    time(&package.last_modified_date, 0)
        .or_else(|| time(latest?, 0))
        .or_else(|| time(&package.order_date, TURKIYE_MILLIS))
}

/// The key that tells two observations of the same content.
pub(crate) fn dedupe_key(id: &str, raw: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(raw));
    format!("{id}:{}", digest.get(..32).unwrap_or_default())
}

/// A package as an order of the channel.
pub(crate) fn order(raw: &RawValue) -> Result<ChannelOrder, String> {
    let package = package(raw)?;
    let id = package_id(&package)?;
    let lines: Vec<_> = package.lines.iter().map(|line| order_line(&package, line)).collect::<Result<_, _>>()?;
    // Without lines it is nothing that could be fulfilled.
    let currency = lines.first().and_then(|line| line.total.as_ref()).map(|total| total.currency_code.clone());
    let currency = currency.ok_or("a package without lines")?;
    let total = first([&package.package_total_price, &package.total_price]);
    let contact = package.customer_email.clone().filter(|email| !email.is_empty());
    Ok(ChannelOrder {
        group_id: package.order_number.to_string(),
        replaces: package
            .origin_package_ids
            .iter()
            .flatten()
            .map(Exact::to_string)
            .filter(|from| *from != id)
            .collect(),
        dedupe_key: dedupe_key(&id, raw.get().as_bytes()),
        update_time: Some(modified(&package).ok_or("a package without a time")?),
        place_time: time(&package.order_date, TURKIYE_MILLIS),
        state: state(status(&package)).into(),
        raw_state: status(&package).to_owned(),
        ship_by_time: time(&package.agreed_delivery_date, 0),
        total: Some(money(total, &currency).ok_or("a package without a total")?),
        discount: discount(&package, &currency),
        customer_ref: package.customer_id.to_string(),
        contact: contact.map(|email| Contact { value: Some(contact::Value::Email(email)) }),
        shipping_address: package.shipment_address.as_ref().map(address),
        billing_address: package.invoice_address.as_ref().map(address),
        carrier: package.cargo_provider_name.clone().unwrap_or_default(),
        tracking_number: package.cargo_tracking_number.to_string(),
        raw: raw.get().as_bytes().to_vec(),
        native_id: id,
        lines,
    })
}

fn order_line(package: &Package, line: &Line) -> Result<ChannelOrderLine, String> {
    let native_id = line_id(line);
    if native_id.is_empty() {
        return Err("a line without an id".to_owned());
    }
    let currency = [&line.currency_code, &package.currency_code].into_iter().flatten().next();
    let currency = currency.ok_or("a line without a currency")?;
    let quantity = line.quantity.whole().filter(|quantity| *quantity > 0).ok_or("a line without a quantity")?;
    // Both are prices of one unit, before and after discounts. The fields of discounts are of the unit or of the line, as the
    // generation has it: the difference is the same in both.
    let paid = first([&line.line_unit_price, &line.price]).decimal().ok_or("a line without a price")?;
    let gross = first([&line.line_gross_amount, &line.amount]).decimal().unwrap_or(paid);
    let of_all = |unit: Decimal| unit.checked_mul(quantity.into()).ok_or(TOO_LARGE);
    let raw_state = line.order_line_item_status_name.clone().unwrap_or_default();
    let options = [("color", &line.product_color), ("size", &line.product_size)];
    let options = options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    Ok(ChannelOrderLine {
        native_id,
        sku: first([&line.stock_code, &line.merchant_sku, &line.sku]).to_string(),
        barcode: line.barcode.to_string(),
        name: line.product_name.clone().unwrap_or_default(),
        quantity,
        unit_price: Some(amount(gross, currency)),
        discount: Some(amount(of_all(gross.checked_sub(paid).ok_or(TOO_LARGE)?)?, currency)),
        total: Some(amount(of_all(paid)?, currency)),
        tax_percent: first([&line.vat_rate, &line.vat_base_amount]).to_string(),
        state: state(&raw_state).into(),
        raw_state,
        options: options.collect::<BTreeMap<_, _>>(),
    })
}

fn line_id(line: &Line) -> String {
    first([&line.line_id, &line.id]).to_string()
}

fn discount(package: &Package, currency: &str) -> Option<Amount> {
    let sum = |one: &Exact, other: &Exact| match (one.decimal(), other.decimal()) {
        (Some(one), Some(other)) => one.checked_add(other),
        (one, other) => one.or(other),
    };
    let newer = || sum(&package.package_seller_discount, &package.package_ty_discount);
    let older = || sum(&package.total_discount, &package.total_ty_discount);
    let discount = package.package_total_discount.decimal().or_else(newer).or_else(older)?;
    Some(amount(discount, currency))
}

/// Webhooks shout what the rest of the API says: `AT_COLLECTION_POINT`, `AtCollectionPoint`.
fn state(word: &str) -> State {
    let word: String = word.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect();
    match word.as_str() {
        "awaiting" => State::Awaiting,
        "created" => State::New,
        "picking" => State::Acknowledged,
        "invoiced" => State::Invoiced,
        "shipped" => State::Shipped,
        "atcollectionpoint" => State::ReadyForPickup,
        "delivered" => State::Delivered,
        "undelivered" => State::Undelivered,
        "returned" => State::Returned,
        "cancelled" | "unsupplied" => State::Cancelled,
        "unpacked" => State::Replaced,
        _ => State::Unspecified,
    }
}

fn address(address: &Address) -> MeshAddress {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let name = [text(&address.first_name), text(&address.last_name)].join(" ").trim().to_owned();
    let parts = [text(&address.address1), text(&address.address2)];
    let written: Vec<_> = parts.into_iter().filter(|line| !line.is_empty()).collect();
    let lines = if written.is_empty() { vec![text(&address.full_address)] } else { written };
    let neighborhood = text(&address.neighborhood);
    let (district, city) = (text(&address.district), text(&address.city));
    MeshAddress {
        recipient: if name.is_empty() { text(&address.full_name) } else { name },
        organization: text(&address.company),
        lines: lines.into_iter().chain([neighborhood]).filter(|line| !line.is_empty()).collect(),
        // What Trendyol calls the city is the province.
        city: if district.is_empty() { city.clone() } else { district },
        region: city,
        postal_code: address.postal_code.to_string(),
        country_code: text(&address.country_code),
        phone: address.phone.to_string(),
    }
}

/// A claim as a return of the channel.
pub(crate) fn claim(raw: &RawValue) -> Result<ChannelReturn, String> {
    let claim: Claim = parse(raw)?;
    let id = first([&claim.claim_id, &claim.id]).to_string();
    if id.is_empty() {
        return Err("a claim without an id".to_owned());
    }
    let items = claim.items.iter().flat_map(|line| line.claim_items.iter().map(|item| piece(&line.order_line, item)));
    let requested = time(&claim.claim_date, 0);
    Ok(ChannelReturn {
        order_native_id: claim.order_shipment_package_id.to_string(),
        group_id: claim.order_number.to_string(),
        dedupe_key: dedupe_key(&id, raw.get().as_bytes()),
        update_time: Some(time(&claim.last_modified_date, 0).or(requested.clone()).ok_or("a claim without a time")?),
        request_time: requested,
        items: items.collect(),
        raw: raw.get().as_bytes().to_vec(),
        native_id: id,
    })
}

fn piece(line: &Line, item: &ClaimItem) -> ChannelReturnItem {
    let raw_state = item.claim_item_status.name.clone().unwrap_or_default();
    let state = match raw_state.as_str() {
        "Created" => ChannelReturnState::Requested,
        "WaitingInAction" => ChannelReturnState::AwaitsDecision,
        "InAnalysis" | "Unresolved" => ChannelReturnState::Disputed,
        "Accepted" => ChannelReturnState::Approved,
        "Rejected" => ChannelReturnState::Rejected,
        "Cancelled" => ChannelReturnState::Cancelled,
        _ => ChannelReturnState::Unspecified,
    };
    ChannelReturnItem {
        native_id: item.id.to_string(),
        line_native_id: line_id(line),
        barcode: line.barcode.to_string(),
        state: state.into(),
        raw_state,
        reason_code: item.customer_claim_item_reason.code.clone().unwrap_or_default(),
    }
}

/// The first that says something: newer names come first.
fn first<const N: usize>(of: [&Exact; N]) -> &Exact {
    static EMPTY: std::sync::LazyLock<Exact> = std::sync::LazyLock::new(Exact::default);
    of.into_iter().find(|exact| !exact.is_empty()).unwrap_or(&EMPTY)
}

fn money(value: &Exact, currency: &str) -> Option<Amount> {
    Some(amount(value.decimal()?, currency))
}

/// Milliseconds that are `ahead` of UTC.
fn time(millis: &Exact, ahead: i64) -> Option<VendorTime> {
    let utc = millis.whole().filter(|millis| *millis > 0)?.checked_sub(ahead)?.checked_mul(1_000)?;
    Some(VendorTime { time: Some(Timestamp::from_micros(utc).to_proto()), raw: millis.to_string() })
}

#[cfg(test)]
mod tests;
