//! A cart as the contract shows it.

use omnimesh_kit::{call::Call, clock::Timestamp, money::Money};
use omnimesh_proto::carts::v1 as proto;

use super::linked;
use crate::domain::{
    Cart, Line, State,
    coupon::{Benefit, Coupon},
    delivery::{Delivery, ShippingMethod},
    quote::LineCost,
};

/// Lines of a summary.
const SUMMARY_LINES: usize = 50;

/// The cart for those who show it without asking: without personal data.
pub(crate) fn summary(cart: &Cart) -> proto::CartSummary {
    let lines = cart.body.lines.iter().zip(&cart.body.quote.lines).take(SUMMARY_LINES);
    let line = |(line, cost): (&Line, &LineCost)| proto::CartLineSummary {
        line_id: line.id.to_string(),
        sku: line.sku.clone(),
        name: cart.body.prices.skus.get(&line.sku).map(|price| price.name.clone()).unwrap_or_default(),
        quantity: line.quantity,
        total: Some(cost.total.to_proto()),
    };
    proto::CartSummary {
        cart_id: cart.id.to_string(),
        profile_id: cart.profile.map(|profile| profile.to_string()).unwrap_or_default(),
        session_id: cart.session.map(|session| session.to_string()).unwrap_or_default(),
        state: state(&cart.state).into(),
        version: cart.version,
        total: Some(cart.body.quote.total.to_proto()),
        lines: lines.map(line).collect(),
        line_count: i32::try_from(cart.body.lines.len()).unwrap_or(i32::MAX),
    }
}

fn state(state: &State) -> proto::CartState {
    match state {
        State::Active => proto::CartState::Active,
        State::Frozen { .. } => proto::CartState::Frozen,
        State::Merged { .. } => proto::CartState::Merged,
        State::Ordered { .. } => proto::CartState::Ordered,
    }
}

/// The cart as the caller may see it: who it was handed over to sees the goods, not where they go and whose they are.
pub(crate) fn cart_for(call: &Call, of: &Cart) -> proto::Cart {
    let mut shown = cart(of);
    if linked::sees_only_goods(call) {
        shown.profile_id.clear();
        let shipping = shown.delivery.as_mut().and_then(|delivery| delivery.shipping.as_mut());
        if let Some(shipping) = shipping {
            shipping.address = None;
        }
    }
    shown
}

/// The whole cart.
pub(crate) fn cart(cart: &Cart) -> proto::Cart {
    let body = &cart.body;
    let (merged_into, order_id, freeze_expire_time) = match &cart.state {
        State::Active => (None, None, None),
        State::Frozen { order, expires_at } => (None, order.clone(), Some(*expires_at)),
        State::Merged { into } => (Some(into.to_string()), None, None),
        State::Ordered { order } => (None, Some(order.clone()), None),
    };
    let costs = body.lines.iter().zip(&body.quote.lines);
    let coupons = body.coupons.iter().zip(&body.quote.coupons);
    proto::Cart {
        cart_id: cart.id.to_string(),
        version: cart.version,
        state: state(&cart.state).into(),
        currency_code: cart.currency.code().to_owned(),
        profile_id: cart.profile.map(|profile| profile.to_string()).unwrap_or_default(),
        lines: costs.map(|(line, cost)| cart_line(cart, line, cost)).collect(),
        coupons: coupons
            .map(|(coupon, cost)| proto::AppliedCoupon {
                code: coupon.code.clone(),
                discount: Some(cost.discount.to_proto()),
                applies: cost.refusal.is_none(),
                reason: cost.refusal.clone().unwrap_or_default(),
            })
            .collect(),
        delivery: body.delivery.as_ref().map(|choice| delivery(cart, choice)),
        totals: Some(proto::CartTotals {
            subtotal: Some(body.quote.subtotal.to_proto()),
            discount: Some(body.quote.discount.to_proto()),
            shipping: Some(body.quote.delivery.fee.to_proto()),
            tax: Some(body.quote.tax.to_proto()),
            total: Some(body.quote.total.to_proto()),
            prices_include_tax: body.prices.include_tax,
        }),
        merged_into: merged_into.unwrap_or_default(),
        order_id: order_id.unwrap_or_default(),
        freeze_expire_time: freeze_expire_time.map(Timestamp::to_proto),
        channel: cart.channel,
        update_time: Some(cart.updated_at.to_proto()),
        price_expire_time: body.prices.expires_at.map(Timestamp::to_proto),
    }
}

fn cart_line(cart: &Cart, line: &Line, cost: &LineCost) -> proto::CartLine {
    let price = cart.body.prices.skus.get(&line.sku);
    let unit_price = price.and_then(|price| price.unit_price).unwrap_or(Money::zero(cart.currency));
    let refusal = price.map_or(Some("it has no price"), |price| price.refusal.as_deref());
    proto::CartLine {
        line_id: line.id.to_string(),
        sku: line.sku.clone(),
        name: price.map(|price| price.name.clone()).unwrap_or_default(),
        quantity: line.quantity,
        options: line.options.clone(),
        unit_price: Some(unit_price.to_proto()),
        subtotal: Some(cost.subtotal.to_proto()),
        discount: Some(cost.discount.to_proto()),
        tax: Some(cost.tax.to_proto()),
        tax_rate_ppm: price.map_or(0, |price| price.rate_ppm),
        total: Some(cost.total.to_proto()),
        sellable: refusal.is_none(),
        not_sellable_reason: refusal.unwrap_or_default().to_owned(),
        added_in: line.added_in,
        origin_cart_id: line.origin.map(|origin| origin.to_string()).unwrap_or_default(),
    }
}

fn delivery(cart: &Cart, choice: &Delivery) -> proto::Delivery {
    let cost = &cart.body.quote.delivery;
    let (kind, shipping, pickup) = match choice {
        Delivery::Ship { address, method } => {
            let address = Some(address.expose().to_proto());
            let shipping = proto::ShippingChoice { address, shipping_method_id: method.id.clone() };
            (proto::DeliveryKind::Ship, Some(shipping), None)
        }
        Delivery::Pickup { location, .. } => {
            (proto::DeliveryKind::Pickup, None, Some(proto::PickupChoice { location_id: location.clone() }))
        }
    };
    proto::Delivery {
        kind: kind.into(),
        shipping,
        pickup,
        fee: Some(cost.fee.to_proto()),
        tax: Some(cost.tax.to_proto()),
        promise_start_time: cost.promise.map(|(start, _)| start.to_proto()),
        promise_end_time: cost.promise.map(|(_, end)| end.to_proto()),
    }
}

/// A coupon.
pub(crate) fn coupon(coupon: &Coupon) -> proto::Coupon {
    proto::Coupon {
        code: coupon.code.clone(),
        benefit: Some(match coupon.benefit {
            Benefit::PercentPpm(ppm) => proto::coupon::Benefit::PercentPpm(ppm),
            Benefit::Amount(amount) => proto::coupon::Benefit::Amount(amount.to_proto()),
        }),
        minimum: coupon.minimum.map(Money::to_proto),
        skus: coupon.skus.iter().cloned().collect(),
        channels: coupon.channels.iter().copied().collect(),
        start_time: coupon.starts_at.map(Timestamp::to_proto),
        end_time: coupon.ends_at.map(Timestamp::to_proto),
        combinable: coupon.combinable,
    }
}

/// A shipping method.
pub(crate) fn shipping_method(method: &ShippingMethod) -> proto::ShippingMethod {
    proto::ShippingMethod {
        shipping_method_id: method.id.clone(),
        name: method.name.clone(),
        country_codes: method.countries.iter().cloned().collect(),
        fees: method.fees.values().map(|fee| fee.to_proto()).collect(),
        free_from: method.free_from.values().map(|from| from.to_proto()).collect(),
        min_days: method.min_days,
        max_days: method.max_days,
        tax_category: method.tax_category.clone(),
        discontinued: method.discontinued,
    }
}
