//! What a marketplace has to be told about an order as it stands.

use std::collections::BTreeMap;

use omnimesh_proto::orders::v1::{FulfillmentGroup, FulfillmentState, Order, OrderState};

use super::{
    action::{Action, ActionKind, ActionState, Body},
    unit::{Mode, Unit},
};

/// An action to come: what it tells, what makes it one, and what it says.
pub type Planned = (ActionKind, String, Body);

/// What is missing among the actions that there are.
#[must_use]
pub fn plan(order: &Order, units: &[Unit], actions: &[Action]) -> Vec<Planned> {
    // What was over when it was seen first is the marketplace's affair.
    if !units.iter().any(|unit| unit.mode == Mode::Live) {
        return Vec::new();
    }
    let skus: BTreeMap<&str, &str> =
        order.lines.iter().map(|line| (line.line_id.as_str(), line.sku.as_str())).collect();
    let goods = |lines: &[(String, i64)]| -> Vec<(String, i64)> {
        let mut by_sku = BTreeMap::<String, i64>::new();
        for (line, quantity) in lines {
            if let Some(sku) = skus.get(line.as_str()) {
                *by_sku.entry((*sku).to_owned()).or_default() += quantity;
            }
        }
        by_sku.into_iter().collect()
    };
    let mut planned = Vec::new();
    if units.iter().any(|unit| unit.is_live() && !unit.is_shipped()) {
        let told = told(actions);
        let lines: Vec<_> = cancelled(order)
            .into_iter()
            .map(|(line, quantity)| (line.clone(), quantity - told.get(&line).copied().unwrap_or(0)))
            .filter(|(_, quantity)| *quantity > 0)
            .collect();
        if !lines.is_empty() {
            let subject = cancelled(order).iter().map(|(line, n)| format!("{line}={n}")).collect::<Vec<_>>().join(",");
            let out_of_stock = order.cancel_reason == OUT_OF_STOCK
                || order.groups.iter().any(|group| group.reason == OUT_OF_STOCK)
                || !order.shortfall.is_empty();
            let body = Body { goods: goods(&lines), lines, out_of_stock, ..Body::default() };
            planned.push((ActionKind::Cancel, subject, body));
        }
    }
    let is_told = |group: &&FulfillmentGroup| {
        actions.iter().any(|action| action.kind == ActionKind::Ship && action.subject == group.group_id)
    };
    for group in order.groups.iter().filter(|group| is_on_its_way(group.state())).filter(|group| !is_told(group)) {
        let lines: Vec<_> = group.lines.iter().map(|line| (line.line_id.clone(), line.quantity)).collect();
        let body = Body {
            goods: goods(&lines),
            lines,
            // The mesh writes no invoices: the order's number is that of the document that goes with the goods.
            invoice_number: order.number.clone(),
            carrier: group.carrier.clone(),
            tracking_number: group.tracking_number.clone(),
            ..Body::default()
        };
        planned.push((ActionKind::Ship, group.group_id.clone(), body));
    }
    planned
}

const OUT_OF_STOCK: &str = "OUT_OF_STOCK";

fn is_on_its_way(state: FulfillmentState) -> bool {
    matches!(
        state,
        FulfillmentState::Shipped
            | FulfillmentState::Delivered
            | FulfillmentState::Undelivered
            | FulfillmentState::Returning
            | FulfillmentState::Refused
    )
}

/// Lines of which something will not be supplied, and how much.
fn cancelled(order: &Order) -> Vec<(String, i64)> {
    let whole = matches!(order.state(), OrderState::Cancelled | OrderState::Expired);
    let lines = order
        .lines
        .iter()
        .map(|line| (line.line_id.clone(), if whole { line.quantity } else { line.cancelled_quantity }));
    lines.filter(|(_, quantity)| *quantity > 0).collect()
}

/// What the marketplace was told, or will be, that it can't be supplied, by line.
fn told(actions: &[Action]) -> BTreeMap<String, i64> {
    let mut told = BTreeMap::new();
    let cancels = actions.iter().filter(|action| action.kind == ActionKind::Cancel);
    for (line, quantity) in
        cancels.filter(|action| action.state != ActionState::Rejected).flat_map(|action| &action.body.lines)
    {
        *told.entry(line.clone()).or_default() += quantity;
    }
    told
}
