//! Placing an order: freeze the cart, reserve, confirm, place. Each step is idempotent by the order's id, so that whoever
//! drives the draft (the call that made it, a repeated call, the sweeper) may start again from the first.
//!
//! A step that is refused cancels the draft and undoes what was done; a step that gets no answer leaves the draft to the
//! sweeper.

use std::collections::BTreeMap;

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    error::Fault,
    fault,
    money::{Currency, Money},
    transaction,
};
use omnimesh_proto::{
    carts::v1::{self as carts, Cart, DeliveryKind, cart_service_client::CartServiceClient},
    catalog::v1::{
        self as catalog, location_service_client::LocationServiceClient, stock_service_client::StockServiceClient,
    },
    common::v1::ErrorReason,
};
use tonic::{Code, Status};

use crate::{
    app::App,
    domain::{
        Address, CartRef, Cause, FulfillmentMethod, Group, GroupId, Held, Line, LineKind, Order, OrderId, OrderState,
        PaymentMethod, Placement, StoreSnapshot, Totals,
    },
    error::{Error, refusal_of},
    store::{orders, tasks, tasks::TaskKind},
};

/// The steps, in their order: where tests stop a driver as if it had crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The cart is frozen.
    Freeze,
    /// The stock is held.
    Reserve,
    /// The stock is the order's.
    Confirm,
    /// The order is placed.
    Place,
}

/// Why a draft does not go on.
enum Halt {
    /// For good: the customer is told why, and what was done is undone.
    Refused(Status),
    /// For now.
    Trouble(Error),
}

impl From<Status> for Halt {
    fn from(status: Status) -> Self {
        let refused = matches!(
            status.code(),
            Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound | Code::PermissionDenied | Code::Aborted
        );
        // Contention is aborted too, and passes.
        let fault = Fault::upstream(status.clone());
        if refused && !matches!(fault.reason(), ErrorReason::Contention | ErrorReason::Internal) {
            Self::Refused(status)
        } else {
            Self::Trouble(fault.into())
        }
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into())
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Trouble(error)
    }
}

/// Drives a draft to its end, or to the step `last`. The caller holds the draft's claim.
pub(crate) async fn drive(app: &App, call: &Call, draft: &Order, last: Step) -> Result<Order, Error> {
    // The caller's patience is not the draft's: each call has its own limit.
    let call = Call { deadline: None, ..call.clone() };
    match steps(app, &call, draft, last).await {
        Ok(order) => settle(app, &call, order).await,
        Err(Halt::Refused(status)) => {
            let refusal = refusal_of(&status);
            give_up(app, &call, draft.id, &status).await?;
            Err(Error::Placing(refusal))
        }
        Err(Halt::Trouble(error)) => {
            transaction!(app.deps.db, tx => { orders::free_draft(&mut tx, draft.id).await.map_err(Error::from) })?;
            Err(error)
        }
    }
}

/// A driver that came through may find that another one gave the draft up meanwhile.
async fn settle(app: &App, call: &Call, order: Order) -> Result<Order, Error> {
    match (order.state, &order.refusal) {
        (OrderState::Cancelled, Some(refusal)) => {
            let error = Error::Placing(refusal.clone());
            transaction!(app.deps.db, tx => {
                undo(&mut tx, &order).await?;
                Ok::<_, Error>(())
            })?;
            crate::tasks::run(app, call, Some(order.id)).await;
            Err(error)
        }
        _ => Ok(order),
    }
}

async fn steps(app: &App, call: &Call, draft: &Order, last: Step) -> Result<Order, Halt> {
    let cart = freeze(app, call, draft).await?;
    fault::point(fault::PLACE_FROZEN).await;
    check(&cart, draft)?;
    if last == Step::Freeze {
        return Ok(draft.clone());
    }
    let reserved = reserve(app, call, draft.id, &cart).await?;
    fault::point(fault::PLACE_RESERVED).await;
    if last == Step::Reserve {
        return Ok(draft.clone());
    }
    confirm(app, call, draft.id).await?;
    fault::point(fault::PLACE_CONFIRMED).await;
    if last == Step::Confirm {
        return Ok(draft.clone());
    }
    let mut groups = groups_of(&cart, &reserved, app.now());
    for group in groups.iter_mut().filter(|group| group.method == FulfillmentMethod::Pickup) {
        group.store = Some(snapshot(app, call, &group.location_id).await?);
    }
    let placement = placement_of(&cart, groups, app.now().plus(app.settings.payment_time()))?;
    let order = place(app, call, draft, placement).await?;
    fault::point(fault::PLACE_PLACED).await;
    Ok(order)
}

/// The cart, frozen for the order. Its prices stand from here on.
async fn freeze(app: &App, call: &Call, draft: &Order) -> Result<Cart, Halt> {
    let CartRef { id, version, .. } = draft.cart.clone().ok_or_else(|| Fault::internal("a draft without a cart"))?;
    let request = carts::FreezeCartRequest {
        cart_id: id,
        expected_version: version,
        order_id: draft.id.to_string(),
        request_id: String::new(),
    };
    let answer = CartServiceClient::new(app.link("carts", call)).freeze_cart(request).await?;
    Ok(answer.into_inner().cart.ok_or_else(|| Fault::internal("carts answered without a cart"))?)
}

/// What an order needs of a cart.
fn check(cart: &Cart, draft: &Order) -> Result<(), Fault> {
    let incomplete = |what: &str| Err(Fault::precondition(ErrorReason::CartIncomplete, what));
    if cart.lines.is_empty() {
        return incomplete("the cart is empty: add a line first");
    }
    if let Some(line) = cart.lines.iter().find(|line| !line.sellable) {
        let message = format!("{} can't be sold now: {}; remove the line", line.sku, line.not_sellable_reason);
        return Err(Fault::precondition(ErrorReason::NotSellable, message).metadata("line_id", &line.line_id));
    }
    let kind = cart.delivery.as_ref().map_or(DeliveryKind::Unspecified, carts::Delivery::kind);
    if kind == DeliveryKind::Unspecified {
        return incomplete("no delivery is chosen: SetDelivery takes an address or a store");
    }
    if draft.payment_method == Some(PaymentMethod::InStore) && kind != DeliveryKind::Pickup {
        return incomplete("paying in the store goes with pickup only: choose a store, or pay online");
    }
    let total = cart.totals.as_ref().and_then(|totals| totals.total.as_ref());
    let total = Money::from_proto(total.ok_or_else(|| Fault::internal("a cart without a total"))?)?;
    let expected = draft.cart.as_ref().map(|cart| cart.expected_total);
    if expected != Some(total) {
        let message = format!("the total is {total} now: show it to the customer, and place the order with it");
        return Err(Fault::precondition(ErrorReason::TotalChanged, message)
            .metadata("currency_code", total.currency.code())
            .metadata("current_total", total.to_decimal_string())
            .metadata("current_version", cart.version.to_string()));
    }
    Ok(())
}

/// Holds every line, or none.
async fn reserve(app: &App, call: &Call, id: OrderId, cart: &Cart) -> Result<catalog::Reservation, Halt> {
    let location = pickup_of(cart).unwrap_or_default();
    let line = |line: &carts::CartLine| catalog::ReservationLine {
        line_id: line.line_id.clone(),
        sku: line.sku.clone(),
        quantity: line.quantity,
        location_id: location.clone(),
    };
    let request = catalog::ReserveRequest {
        owner_id: id.to_string(),
        channel: cart.channel,
        lines: cart.lines.iter().map(line).collect(),
        expire_time: None,
        allow_shortfall: false,
    };
    let answer = StockServiceClient::new(app.link("catalog", call)).reserve(request).await?;
    Ok(answer.into_inner().reservation.ok_or_else(|| Fault::internal("catalog answered without a reservation"))?)
}

/// What is held becomes the order's, without expiry.
async fn confirm(app: &App, call: &Call, id: OrderId) -> Result<(), Halt> {
    let request = catalog::ConfirmRequest { owner_id: id.to_string() };
    StockServiceClient::new(app.link("catalog", call)).confirm(request).await?;
    Ok(())
}

/// The store as it is now.
pub(crate) async fn snapshot(app: &App, call: &Call, location_id: &str) -> Result<StoreSnapshot, Status> {
    let request = catalog::GetLocationRequest { location_id: location_id.to_owned() };
    let answer = LocationServiceClient::new(app.link("catalog", call)).get_location(request).await?;
    let location = answer.into_inner().location.unwrap_or_default();
    Ok(StoreSnapshot {
        opening_hours: hours(&location.opening_hours),
        address: location.address.as_ref().map(Address::from_proto),
        name: location.name,
    })
}

/// The draft becomes an order, unless somebody ended it meanwhile.
async fn place(app: &App, call: &Call, draft: &Order, placement: Placement) -> Result<Order, Error> {
    transaction!(app.deps.db, tx => {
        let cause = Cause::of(call, tx.now());
        let mut order = draft.clone();
        order.place(placement.clone(), &cause)?;
        if orders::save(&mut tx, call, &mut order).await? {
            return Ok::<_, Error>(order);
        }
        let mut order = orders::lock(&mut tx, draft.id).await?.ok_or(Error::NoSuchOrder)?;
        if order.state == OrderState::Draft {
            order.place(placement.clone(), &cause)?;
            crate::rpc::save(&mut tx, call, &mut order).await?;
        }
        Ok(order)
    })
}

/// The draft is cancelled; thawing and releasing follow, now if possible.
pub(crate) async fn give_up(app: &App, call: &Call, id: OrderId, status: &Status) -> Result<(), Error> {
    let refusal = refusal_of(status);
    transaction!(app.deps.db, tx => {
        let mut order = orders::lock(&mut tx, id).await?.ok_or(Error::NoSuchOrder)?;
        if order.state == OrderState::Draft {
            let cause = Cause::of(call, tx.now());
            order.give_up(refusal.clone(), &cause)?;
            crate::rpc::save(&mut tx, call, &mut order).await?;
            undo(&mut tx, &order).await?;
        }
        Ok::<_, Error>(())
    })?;
    fault::point(fault::PLACE_GIVEN_UP).await;
    crate::tasks::run(app, call, Some(id)).await;
    Ok(())
}

async fn undo(tx: &mut omnimesh_kit::store::Tx, order: &Order) -> Result<(), Error> {
    tasks::add(tx, order.id, TaskKind::Release, "").await?;
    let cart = order.cart.as_ref().map(|cart| cart.id.as_str()).unwrap_or_default();
    Ok(tasks::add(tx, order.id, TaskKind::Thaw, cart).await?)
}

fn pickup_of(cart: &Cart) -> Option<String> {
    let delivery = cart.delivery.as_ref().filter(|delivery| delivery.kind() == DeliveryKind::Pickup)?;
    delivery.pickup.as_ref().map(|pickup| pickup.location_id.clone())
}

/// One group per location and method. What stock is not counted of has no allocation: it goes with the first group.
fn groups_of(cart: &Cart, reserved: &catalog::Reservation, now: Timestamp) -> Vec<Group> {
    let pickup = pickup_of(cart);
    let method = if pickup.is_some() { FulfillmentMethod::Pickup } else { FulfillmentMethod::Ship };
    let mut by_location: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    let mut left: BTreeMap<&str, i64> = cart.lines.iter().map(|line| (line.line_id.as_str(), line.quantity)).collect();
    let mut give = |location: &str, line_id: &str, quantity: i64| {
        let lines = by_location.entry(location.to_owned()).or_default();
        match lines.iter_mut().find(|held| held.line_id == line_id) {
            Some(held) => held.quantity += quantity,
            None => lines.push(Held { line_id: line_id.to_owned(), quantity }),
        }
    };
    for part in &reserved.allocations {
        if let Some(left) = left.get_mut(part.line_id.as_str()) {
            let quantity = part.quantity.min(*left);
            *left -= quantity;
            if quantity > 0 {
                give(&part.location_id, &part.line_id, quantity);
            }
        }
    }
    let first = reserved.allocations.first().map(|part| part.location_id.clone());
    let rest = pickup.or(first).unwrap_or_default();
    for (line_id, quantity) in left.into_iter().filter(|(_, quantity)| *quantity > 0) {
        give(&rest, line_id, quantity);
    }
    let group = |(location, lines)| Group::open(GroupId::new(now), location, method, lines, now);
    by_location.into_iter().map(group).collect()
}

fn placement_of(cart: &Cart, groups: Vec<Group>, payment_expires_at: Timestamp) -> Result<Placement, Fault> {
    let currency: Currency = cart.currency_code.parse()?;
    let amount = |money: Option<&omnimesh_proto::common::v1::Money>| -> Result<i64, Fault> {
        let Some(money) = money else { return Ok(0) };
        let money = Money::from_proto(money)?;
        if money.currency == currency { Ok(money.micros) } else { Err(Fault::internal("a cart of two currencies")) }
    };
    let line = |line: &carts::CartLine| -> Result<Line, Fault> {
        Ok(Line {
            id: line.line_id.clone(),
            sku: line.sku.clone(),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: amount(line.unit_price.as_ref())?,
            subtotal: amount(line.subtotal.as_ref())?,
            discount: amount(line.discount.as_ref())?,
            tax: amount(line.tax.as_ref())?,
            tax_rate_ppm: line.tax_rate_ppm,
            total: amount(line.total.as_ref())?,
            options: line.options.clone().into_iter().collect(),
            kind: LineKind::Sale,
            fee: false,
            cancelled: 0,
            source: None,
        })
    };
    let totals = cart.totals.clone().unwrap_or_default();
    let total = amount(totals.total.as_ref())?;
    let delivery = cart.delivery.clone().unwrap_or_default();
    let shipping = delivery.shipping.filter(|_| delivery.kind == i32::from(DeliveryKind::Ship));
    let moment = |time: Option<&prost_types::Timestamp>| time.and_then(Timestamp::from_proto);
    Ok(Placement {
        lines: cart.lines.iter().map(line).collect::<Result<_, _>>()?,
        groups,
        totals: Totals {
            subtotal: amount(totals.subtotal.as_ref())?,
            discount: amount(totals.discount.as_ref())?,
            shipping: amount(totals.shipping.as_ref())?,
            tax: amount(totals.tax.as_ref())?,
            total,
            charged: total,
            tax_included: totals.prices_include_tax,
        },
        shipping_address: shipping.as_ref().and_then(|choice| choice.address.as_ref()).map(Address::from_proto),
        shipping_method_id: shipping.map(|choice| choice.shipping_method_id).unwrap_or_default(),
        promise_start: moment(delivery.promise_start_time.as_ref()),
        promise_end: moment(delivery.promise_end_time.as_ref()),
        payment_expires_at,
    })
}

/// `Monday 09:00-13:00, 14:00-19:00`, one line per weekday.
fn hours(hours: &[catalog::OpeningHours]) -> Vec<String> {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let clock = |minute: i32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let day = |(number, name): (i32, &str)| {
        let spans = hours.iter().filter(|hours| hours.weekday == number);
        let spans: Vec<String> =
            spans.map(|span| format!("{}-{}", clock(span.open_minute), clock(span.close_minute))).collect();
        if spans.is_empty() { format!("{name} closed") } else { format!("{name} {}", spans.join(", ")) }
    };
    (1..).zip(DAYS).map(day).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_hours_read_as_people_write_them() {
        let span = |weekday, open_minute, close_minute| catalog::OpeningHours { weekday, open_minute, close_minute };
        let lines = hours(&[span(1, 540, 780), span(1, 840, 1_140), span(7, 600, 1_440)]);
        assert_eq!(lines.len(), 7);
        assert_eq!(lines[0], "Monday 09:00-13:00, 14:00-19:00");
        assert_eq!(lines[1], "Tuesday closed");
        assert_eq!(lines[6], "Sunday 10:00-24:00");
    }
}
