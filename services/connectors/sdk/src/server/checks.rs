//! What a write has to carry.

use omnimesh_kit::{error::Fault, validate::Violations};
use omnimesh_proto::connectors::v1::{
    AcknowledgeOrderRequest, Amount, ApproveReturnRequest, CancelLinesRequest, GetOperationRequest, NativeLine,
    OrderRef, PushPriceRequest, PushShipmentRequest, PushStockRequest, RefundRequest, RejectReturnRequest,
};

use crate::decimal;

/// A request that can be checked before a vendor's flow sees it.
pub(super) trait Checked {
    /// Records what is wrong with it.
    fn check(&self, v: &mut Violations);

    /// # Errors
    /// INVALID_ARGUMENT.
    fn checked(&self) -> Result<(), Fault> {
        let mut v = Violations::new();
        self.check(&mut v);
        v.finish()
    }
}

fn key(v: &mut Violations, key: &str) {
    v.text("idempotency_key", key, 1..=200);
}

fn order(v: &mut Violations, order: Option<&OrderRef>) {
    if let Some(order) = v.required("order", order) {
        v.text("order.native_id", &order.native_id, 1..=200);
    }
}

fn lines(v: &mut Violations, lines: &[NativeLine], may_be_none: bool) {
    v.check("lines", may_be_none || !lines.is_empty(), "at least one line is accepted");
    for (index, line) in lines.iter().enumerate() {
        v.text(&format!("lines.{index}.native_id"), &line.native_id, 1..=200);
        v.range(&format!("lines.{index}.quantity"), line.quantity, 1..=1_000_000);
    }
}

fn pieces(v: &mut Violations, native_id: &str, items: &[String]) {
    v.text("return_native_id", native_id, 1..=200);
    v.check("item_native_ids", !items.is_empty(), "at least one piece is accepted");
    for (index, item) in items.iter().enumerate() {
        v.text(&format!("item_native_ids.{index}"), item, 1..=200);
    }
}

fn amount(v: &mut Violations, field: &str, amount: Option<&Amount>) {
    if let Some(amount) = amount {
        let value = decimal(&amount.decimal);
        v.check(field, value.is_some_and(|value| !value.is_sign_negative()), "a decimal of 0 or more is accepted");
        v.currency(&format!("{field}.currency_code"), &amount.currency_code);
    }
}

impl Checked for AcknowledgeOrderRequest {
    fn check(&self, v: &mut Violations) {
        key(v, &self.idempotency_key);
        order(v, self.order.as_ref());
        lines(v, &self.lines, false);
    }
}

impl Checked for PushShipmentRequest {
    fn check(&self, v: &mut Violations) {
        key(v, &self.idempotency_key);
        order(v, self.order.as_ref());
        lines(v, &self.lines, false);
    }
}

impl Checked for CancelLinesRequest {
    fn check(&self, v: &mut Violations) {
        key(v, &self.idempotency_key);
        order(v, self.order.as_ref());
        lines(v, &self.lines, false);
        v.check("reason", self.reason != 0, "a reason other than unspecified is accepted");
    }
}

impl Checked for ApproveReturnRequest {
    fn check(&self, v: &mut Violations) {
        key(v, &self.idempotency_key);
        pieces(v, &self.return_native_id, &self.item_native_ids);
    }
}

impl Checked for RejectReturnRequest {
    fn check(&self, v: &mut Violations) {
        key(v, &self.idempotency_key);
        pieces(v, &self.return_native_id, &self.item_native_ids);
        v.text("reason_code", &self.reason_code, 1..=100);
        v.text("description", &self.description, 1..=500);
    }
}

impl Checked for RefundRequest {
    fn check(&self, v: &mut Violations) {
        key(v, &self.idempotency_key);
        order(v, self.order.as_ref());
        lines(v, &self.lines, true);
        v.required("amount", self.amount.as_ref());
        amount(v, "amount", self.amount.as_ref());
    }
}

impl Checked for PushStockRequest {
    fn check(&self, v: &mut Violations) {
        key(v, &self.idempotency_key);
        for (index, level) in self.levels.iter().enumerate() {
            v.text(&format!("levels.{index}.sku"), &level.sku, 1..=200);
            v.range(&format!("levels.{index}.quantity"), level.quantity, 0..=1_000_000_000);
        }
    }
}

impl Checked for PushPriceRequest {
    fn check(&self, v: &mut Violations) {
        key(v, &self.idempotency_key);
        for (index, price) in self.prices.iter().enumerate() {
            v.text(&format!("prices.{index}.sku"), &price.sku, 1..=200);
            v.required(&format!("prices.{index}.sale_price"), price.sale_price.as_ref());
            amount(v, &format!("prices.{index}.sale_price"), price.sale_price.as_ref());
            amount(v, &format!("prices.{index}.list_price"), price.list_price.as_ref());
        }
    }
}

impl Checked for GetOperationRequest {
    fn check(&self, v: &mut Violations) {
        v.text("operation_id", &self.operation_id, 1..=500);
    }
}
