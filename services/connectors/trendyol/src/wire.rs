//! Trendyol's JSON, both generations of it. Ids and amounts are kept as written; what is not named here is not read, and what is
//! missing is empty.

use omnimesh_connector_sdk::Exact;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Errors {
    pub(crate) exception: Exact,
    pub(crate) errors: Vec<ErrorItem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorItem {
    pub(crate) key: Exact,
    pub(crate) message: Exact,
}

/// A page of packages or claims, whichever way it was asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Content {
    pub(crate) content: Vec<Box<RawValue>>,
    pub(crate) total_pages: Option<i64>,
    pub(crate) has_more: Option<bool>,
    #[serde(default)]
    pub(crate) next_cursor: Exact,
}

/// A package.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Package {
    pub(crate) id: Exact,
    pub(crate) shipment_package_id: Exact,
    pub(crate) order_number: Exact,
    pub(crate) origin_package_ids: Option<Vec<Exact>>,
    pub(crate) status: Option<String>,
    pub(crate) shipment_package_status: Option<String>,
    pub(crate) package_histories: Option<Vec<History>>,
    pub(crate) last_modified_date: Exact,
    pub(crate) order_date: Exact,
    pub(crate) agreed_delivery_date: Exact,
    pub(crate) currency_code: Option<String>,
    pub(crate) total_price: Exact,
    pub(crate) package_total_price: Exact,
    pub(crate) total_discount: Exact,
    pub(crate) total_ty_discount: Exact,
    pub(crate) package_total_discount: Exact,
    pub(crate) package_seller_discount: Exact,
    pub(crate) package_ty_discount: Exact,
    pub(crate) customer_id: Exact,
    pub(crate) customer_email: Option<String>,
    pub(crate) shipment_address: Option<Address>,
    pub(crate) invoice_address: Option<Address>,
    pub(crate) cargo_provider_name: Option<String>,
    pub(crate) cargo_tracking_number: Exact,
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct History {
    pub(crate) created_date: Exact,
}

/// A line of a package.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) id: Exact,
    pub(crate) line_id: Exact,
    pub(crate) merchant_sku: Exact,
    pub(crate) sku: Exact,
    pub(crate) stock_code: Exact,
    pub(crate) barcode: Exact,
    pub(crate) product_name: Option<String>,
    pub(crate) product_color: Option<String>,
    pub(crate) product_size: Option<String>,
    pub(crate) quantity: Exact,
    pub(crate) amount: Exact,
    pub(crate) line_gross_amount: Exact,
    pub(crate) price: Exact,
    pub(crate) line_unit_price: Exact,
    pub(crate) vat_base_amount: Exact,
    pub(crate) vat_rate: Exact,
    pub(crate) currency_code: Option<String>,
    pub(crate) order_line_item_status_name: Option<String>,
}

/// An address.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Address {
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) full_name: Option<String>,
    pub(crate) company: Option<String>,
    pub(crate) address1: Option<String>,
    pub(crate) address2: Option<String>,
    pub(crate) full_address: Option<String>,
    pub(crate) neighborhood: Option<String>,
    pub(crate) district: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) postal_code: Exact,
    pub(crate) country_code: Option<String>,
    pub(crate) phone: Exact,
}

/// A claim: what a customer sends back.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Claim {
    pub(crate) id: Exact,
    pub(crate) claim_id: Exact,
    pub(crate) order_number: Exact,
    pub(crate) order_shipment_package_id: Exact,
    pub(crate) claim_date: Exact,
    pub(crate) last_modified_date: Exact,
    pub(crate) items: Vec<ClaimLine>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ClaimLine {
    pub(crate) order_line: Line,
    pub(crate) claim_items: Vec<ClaimItem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ClaimItem {
    pub(crate) id: Exact,
    pub(crate) claim_item_status: Name,
    pub(crate) customer_claim_item_reason: Reason,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Name {
    pub(crate) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reason {
    pub(crate) code: Option<String>,
}

/// The answer to stock and prices.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Batch {
    pub(crate) batch_request_id: Exact,
}

/// How a batch of stock and prices stands.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchResult {
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) item_count: Option<usize>,
    #[serde(default)]
    pub(crate) items: Vec<BatchItem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct BatchItem {
    pub(crate) request_item: RequestItem,
    pub(crate) status: Option<String>,
    pub(crate) failure_reasons: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RequestItem {
    pub(crate) barcode: Exact,
}

/// A line and how many of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineQuantity {
    pub(crate) line_id: u64,
    pub(crate) quantity: i64,
}

/// Sets a package's state.
#[derive(Debug, Serialize)]
pub(crate) struct UpdatePackage<'a> {
    pub(crate) lines: Vec<LineQuantity>,
    pub(crate) params: Params<'a>,
    pub(crate) status: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Params<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invoice_number: Option<&'a str>,
}

/// Says that lines can't be supplied.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Unsupplied {
    pub(crate) lines: Vec<LineQuantity>,
    pub(crate) reason_id: u16,
}

/// Takes lines out of a package into one of their own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Split {
    pub(crate) split_packages: [SplitPackage; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SplitPackage {
    pub(crate) package_details: Vec<SplitLine>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SplitLine {
    pub(crate) order_line_id: u64,
    pub(crate) quantities: i64,
}

/// Stock or prices.
#[derive(Debug, Serialize)]
pub(crate) struct Inventory {
    pub(crate) items: Vec<InventoryItem>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InventoryItem {
    pub(crate) barcode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quantity: Option<i64>,
    // Numbers as decimal digits: a binary float would round them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sale_price: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) list_price: Option<Box<RawValue>>,
}

/// Approves pieces of a claim.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Approve<'a> {
    pub(crate) claim_line_item_id_list: &'a [String],
    pub(crate) params: Params<'a>,
}
