//! Orders as the contract shows them.

use omnimesh_kit::{clock::Timestamp, money::Money};
use omnimesh_proto::orders::v1 as proto;

use crate::{
    domain::{Group, Held, Line, Order, Return, ReturnLine},
    store::payments::RefundTask,
};

/// The order, whole.
pub(crate) fn order(order: &Order) -> proto::Order {
    let money = |micros: i64| Some(order.money(micros).to_proto());
    let time = |time: Option<Timestamp>| time.map(Timestamp::to_proto);
    proto::Order {
        order_id: order.id.to_string(),
        number: order.number.clone(),
        version: order.version,
        kind: order.kind.to_proto().into(),
        state: order.state.to_proto().into(),
        payment_state: order.payment_state().to_proto().into(),
        channel: order.channel,
        profile_id: order.profile.map(|profile| profile.to_string()).unwrap_or_default(),
        customer_ref: order.customer_ref.clone(),
        currency_code: order.currency.code().to_owned(),
        lines: order.lines.iter().map(|line| line_of(order, line)).collect(),
        groups: order.groups.iter().map(group).collect(),
        totals: Some(proto::OrderTotals {
            subtotal: money(order.totals.subtotal),
            discount: money(order.totals.discount),
            shipping: money(order.totals.shipping),
            tax: money(order.totals.tax),
            total: money(order.totals.total),
            authorized: money(order.payment.authorized),
            captured: money(order.payment.captured),
            refunded: money(order.payment.refunded),
            prices_include_tax: order.totals.tax_included,
        }),
        contact: order.contact.as_ref().map(crate::domain::Contact::to_proto),
        shipping_address: order.shipping_address.as_ref().map(crate::domain::Address::to_proto),
        payment_method: order.payment_method.map(|method| method.to_proto().into()).unwrap_or_default(),
        cart_id: order.cart.as_ref().map(|cart| cart.id.clone()).unwrap_or_default(),
        place_time: time(order.placed_at),
        update_time: time(Some(order.updated_at)),
        payment_expire_time: time(order.payment_expires_at),
        source: order.source.as_ref().map(|source| proto::Source {
            account_id: source.account_id.clone(),
            channel_order_id: source.channel_order_id.clone(),
            update_time: Some(source.updated_at.to_proto()),
            mode: source.mode.to_proto().into(),
            conflicting: source.conflicting,
        }),
        source_country: order.source_country.clone(),
        cancel_reason: order.cancel_reason.clone(),
        journey_id: order.journey.map(|journey| journey.to_string()).unwrap_or_default(),
        shipping_method_id: order.shipping_method_id.clone(),
        shortfall: order.shortfall.iter().map(quantity).collect(),
        promise_start_time: time(order.promise_start),
        promise_end_time: time(order.promise_end),
    }
}

fn line_of(order: &Order, line: &Line) -> proto::OrderLine {
    let money = |micros: i64| Some(order.money(micros).to_proto());
    let source = line.source.clone().unwrap_or_default();
    proto::OrderLine {
        line_id: line.id.clone(),
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: line.quantity,
        unit_price: money(line.unit_price),
        subtotal: money(line.subtotal),
        discount: money(line.discount),
        tax: money(line.tax),
        tax_rate_ppm: line.tax_rate_ppm,
        total: money(line.total),
        options: line.options.clone().into_iter().collect(),
        kind: line.kind.to_proto().into(),
        fee: line.fee,
        cancelled_quantity: line.cancelled,
        source_time: source.time.map(Timestamp::to_proto),
        source_customer_ref: source.customer_ref,
        source_country: source.country,
        source_row: source.row,
    }
}

/// A return of the order.
pub(crate) fn return_of(order: &Order, found: &Return) -> proto::Return {
    let money = |micros: i64| Some(order.money(micros).to_proto());
    let line = |line: &ReturnLine| proto::ReturnLine {
        line_id: line.line_id.clone(),
        sku: order.lines.iter().find(|own| own.id == line.line_id).map(|own| own.sku.clone()).unwrap_or_default(),
        quantity: line.quantity,
        received_quantity: line.received,
        restocked_quantity: line.restocked,
        not_stocked_quantity: line.unstocked,
        settled_quantity: line.refunded + line.replaced,
        refunded: money(line.amounts.total),
    };
    proto::Return {
        return_id: found.id.to_string(),
        order_id: order.id.to_string(),
        order_number: order.number.clone(),
        version: found.version,
        state: found.state.to_proto().into(),
        lines: found.lines.iter().map(line).collect(),
        reason: found.reason.clone(),
        decision_reason: found.decision_reason.clone(),
        location_id: found.location_id.clone(),
        carrier: found.carrier.clone(),
        tracking_number: found.tracking_number.clone(),
        refunded: money(found.refunded()),
        replacement_group_id: found.replacement.map(|group| group.to_string()).unwrap_or_default(),
        channel: found.channel,
        create_time: Some(found.created_at.to_proto()),
        update_time: Some(found.updated_at.to_proto()),
    }
}

fn quantity(held: &Held) -> proto::LineQuantity {
    proto::LineQuantity { line_id: held.line_id.clone(), quantity: held.quantity }
}

fn group(group: &Group) -> proto::FulfillmentGroup {
    proto::FulfillmentGroup {
        group_id: group.id.to_string(),
        location_id: group.location_id.clone(),
        method: group.method.to_proto().into(),
        state: group.state.to_proto().into(),
        lines: group.lines.iter().map(quantity).collect(),
        store: group.store.as_ref().map(|store| proto::StoreSnapshot {
            location_id: group.location_id.clone(),
            name: store.name.clone(),
            address: store.address.as_ref().map(crate::domain::Address::to_proto),
            opening_hours: store.opening_hours.clone(),
        }),
        reason: group.reason.clone(),
        carrier: group.carrier.clone(),
        tracking_number: group.tracking_number.clone(),
        pickup_expire_time: group.pickup_expires_at.map(Timestamp::to_proto),
        update_time: Some(group.updated_at.to_proto()),
    }
}

/// A refund task.
pub(crate) fn refund_task(task: &RefundTask) -> proto::RefundTask {
    proto::RefundTask {
        refund_task_id: task.id.to_string(),
        order_id: task.order.to_string(),
        amount: task.currency.parse().ok().map(|currency| Money::from_micros(currency, task.left).to_proto()),
        reason: task.reason.clone(),
        create_time: Some(task.created_at.to_proto()),
    }
}
