//! The order: one aggregate, one row.

use std::collections::BTreeMap;

use omnimesh_kit::{
    clock::Timestamp,
    ids::{JourneyId, ProfileId, SessionId},
    money::{Currency, Money},
};
use serde::{Deserialize, Serialize};

use super::{
    Address, Change, Contact, DocumentKind, Group, ImportMode, LineKind, OrderId, OrderState, Payment, PaymentMethod,
    Return,
};

/// A line. Amounts are micro-units of the order's currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// `line_…`, or the source's own.
    pub id: String,
    /// The SKU, as written.
    pub sku: String,
    /// The name, as written.
    pub name: String,
    /// How many, as ordered.
    pub quantity: i64,
    /// The price of one, exact.
    pub unit_price: i64,
    /// What is left of the line comes to before discounts.
    pub subtotal: i64,
    /// Its part of the discounts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discount: i64,
    /// Its tax.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tax: i64,
    /// The tax rate, millionths.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tax_rate_ppm: i64,
    /// What it costs with tax.
    pub total: i64,
    /// The customer's options.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// What it is.
    pub kind: LineKind,
    /// A fee and not goods.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fee: bool,
    /// How many were cancelled, of quantity.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: i64,
    /// Where an imported line comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<LineSource>,
}

/// Where an imported line comes from, as the source gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LineSource {
    /// The line's own time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The customer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub customer_ref: String,
    /// The country.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub country: String,
    /// The row, from 1; 0 if unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub row: i64,
}

/// A quantity of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The line.
    pub line_id: String,
    /// How many.
    pub quantity: i64,
}

/// What an order costs now. Micro-units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The lines' subtotals.
    pub subtotal: i64,
    /// All discounts.
    #[serde(default)]
    pub discount: i64,
    /// The fee for delivery.
    #[serde(default)]
    pub shipping: i64,
    /// All tax.
    #[serde(default)]
    pub tax: i64,
    /// What is to be paid.
    pub total: i64,
    /// The total as it was placed.
    pub charged: i64,
    /// Whether subtotal, discount and shipping include the tax.
    #[serde(default)]
    pub tax_included: bool,
}

/// The cart an order is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartRef {
    /// `cart_…`
    pub id: String,
    /// The version that the customer saw.
    pub version: i64,
    /// The total that the customer saw.
    pub expected_total: Money,
}

/// Why a draft did not become an order: repeated to whoever repeats the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The gRPC code's number.
    pub code: i32,
    /// The number of common.v1.ErrorReason.
    pub reason: i32,
    /// The text.
    pub message: String,
    /// ErrorInfo's metadata.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// Where an imported document comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The channel account, or the system.
    pub account_id: String,
    /// Its id there.
    pub channel_order_id: String,
    /// When it changed there last.
    pub updated_at: Timestamp,
    /// How it counts.
    pub mode: ImportMode,
    /// Another content of the same time was kept aside.
    #[serde(default)]
    pub conflicting: bool,
}

/// An order or document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// The number that can be spoken.
    pub number: String,
    /// Incremented by each change.
    pub version: i64,
    /// How many events it has sent.
    pub events: i64,
    /// What it is.
    pub kind: DocumentKind,
    /// Where it stands.
    pub state: OrderState,
    /// The number of common.v1.Channel.
    pub channel: i32,
    /// The customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileId>,
    /// The session lineage that placed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The journey that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journey: Option<JourneyId>,
    /// The customer as the source names them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub customer_ref: String,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// The lines.
    pub lines: Vec<Line>,
    /// What each location does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// What it costs.
    pub totals: Totals,
    /// What was paid.
    #[serde(default)]
    pub payment: Payment,
    /// How to reach the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// Where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Address>,
    /// How the customer pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<PaymentMethod>,
    /// The cart it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cart: Option<CartRef>,
    /// When the draft was made, or the document imported.
    pub created_at: Timestamp,
    /// When it was placed; drafts have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Timestamp>,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When it expires unpaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_expires_at: Option<Timestamp>,
    /// Where it comes from, if imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The country as the source writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source_country: String,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cancel_reason: String,
    /// The shipping method.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shipping_method_id: String,
    /// The promise: not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise_start: Option<Timestamp>,
    /// The promise: not after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise_end: Option<Timestamp>,
    /// What a marketplace order lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortfall: Vec<Held>,
    /// What comes back, or came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<Return>,
    /// Whether the customer was erased: nothing that names or reaches them comes back into it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erased: bool,
    /// Why the draft was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What happened since it was loaded.
    #[serde(skip)]
    pub changes: Vec<Change>,
}

/// What a frozen cart and its reservation make of a draft.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The lines.
    pub lines: Vec<Line>,
    /// What each location does.
    pub groups: Vec<Group>,
    /// What it costs.
    pub totals: Totals,
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// The shipping method.
    pub shipping_method_id: String,
    /// The promise: not before.
    pub promise_start: Option<Timestamp>,
    /// The promise: not after.
    pub promise_end: Option<Timestamp>,
    /// When it expires unpaid.
    pub payment_expires_at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_zero(value: &i64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_false(value: &bool) -> bool {
    !*value
}
