//! What the catalog does with the events of orders: goods that are handed over leave the shelf, goods that will not be are given
//! back, and goods that come back are sold again where they came back to. Orders without a reservation, such as historical
//! imports, never move stock.

use std::collections::BTreeMap;

use async_trait::async_trait;
use omnimesh_kit::{
    call::Call,
    inbox::{BoxError, EventHandler, is},
    store::Tx,
};
use omnimesh_proto::{
    events::v1::Event,
    orders::v1::{FulfillmentChanged, FulfillmentState, OrderCancelled, OrderExpired, OrderedGoods, ReturnChanged},
};
use prost::Message as _;

use crate::{
    domain::reservation::{Part, Reservation},
    error::Error,
    ledger::{self, Leave},
    store::{reservations, stock},
};

/// Hears orders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders;

#[async_trait]
impl EventHandler for Orders {
    fn heeds(&self, event: &Event) -> bool {
        is::<FulfillmentChanged>(event)
            || is::<OrderCancelled>(event)
            || is::<OrderExpired>(event)
            || is::<ReturnChanged>(event)
    }

    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        let call = Call::system(crate::NAME);
        if is::<FulfillmentChanged>(event) {
            fulfillment_changed(tx, &call, &FulfillmentChanged::decode(event.payload.clone())?).await?;
        } else if is::<OrderCancelled>(event) {
            release_rest(tx, &call, &OrderCancelled::decode(event.payload.clone())?.order_id).await?;
        } else if is::<OrderExpired>(event) {
            release_rest(tx, &call, &OrderExpired::decode(event.payload.clone())?.order_id).await?;
        } else if is::<ReturnChanged>(event) {
            restock(tx, &call, &ReturnChanged::decode(event.payload.clone())?, event.aggregate_seq).await?;
        }
        Ok(())
    }
}

/// Orders releases by RPC as well: whichever comes second finds nothing left.
async fn release_rest(tx: &mut Tx, call: &Call, order_id: &str) -> Result<(), Error> {
    let Some(mut reservation) = reservations::lock(tx, order_id).await? else { return Ok(()) };
    ledger::leave(tx, call, &mut reservation, &[], Leave::Release).await
}

async fn fulfillment_changed(tx: &mut Tx, call: &Call, changed: &FulfillmentChanged) -> Result<(), Error> {
    let Some(mut reservation) = reservation_of(tx, changed).await? else { return Ok(()) };
    let short = short_parts(&reservation, changed);
    if !short.is_empty() {
        ledger::leave(tx, call, &mut reservation, &short, Leave::Release).await?;
    }
    let goods = parts(changed, &changed.goods);
    // No part would mean everything.
    if let Some(how) = effect(changed.state()).filter(|_| !goods.is_empty()) {
        ledger::leave(tx, call, &mut reservation, &goods, how).await?;
    }
    Ok(())
}

/// The group's own reservation, which goods have that replace returned ones, or else its order's.
async fn reservation_of(tx: &mut Tx, changed: &FulfillmentChanged) -> Result<Option<Reservation>, Error> {
    let own = format!("{}:{}", changed.order_id, changed.group_id);
    if let Some(own) = reservations::lock(tx, &own).await? {
        return Ok(Some(own));
    }
    Ok(reservations::lock(tx, &changed.order_id).await?)
}

/// Goods that came back and can be sold again lie on the shelf of the location that received them. What is not counted, or not
/// known here, such as the goods of a marketplace, goes on no shelf.
async fn restock(tx: &mut Tx, call: &Call, changed: &ReturnChanged, event_seq: i64) -> Result<(), Error> {
    if changed.restocked.is_empty() || !stock::keep_restock(tx, &changed.order_id, event_seq).await? {
        return Ok(());
    }
    let mut back: BTreeMap<(String, String), i64> = BTreeMap::new();
    for goods in changed.restocked.iter().filter(|goods| goods.quantity > 0) {
        let location = if goods.location_id.is_empty() { &changed.location_id } else { &goods.location_id };
        *back.entry((goods.sku.clone(), location.clone())).or_default() += goods.quantity;
    }
    for ((sku, location_id), quantity) in back {
        if !stock::is_counted(tx, &sku, &location_id).await? {
            tracing::warn!(order.id = %changed.order_id, %sku, location.id = %location_id, "returned goods are not counted here");
            continue;
        }
        let Some(level) = stock::adjust(tx, &sku, &location_id, quantity).await? else { continue };
        let reason = format!("returned: {}", changed.return_id);
        stock::keep_adjustment(tx, &level, quantity, &reason, &call.identity().subject).await?;
        ledger::announce(tx, call, &sku, &location_id, level.version).await?;
    }
    Ok(())
}

/// What a state does to the group's goods. REJECTED_BY_STORE is not an end: the goods stay bound until the order is rerouted or
/// cancelled, so that a store that lacks them does not offer them again. What was sent off was committed; it comes back by a
/// count or a return. RESTOCKED follows NO_SHOW or REFUSED and finds nothing left.
fn effect(state: FulfillmentState) -> Option<Leave> {
    use FulfillmentState as State;
    match state {
        State::Shipped | State::PickedUp => Some(Leave::Commit),
        State::Cancelled | State::NoShow | State::Refused | State::Restocked => Some(Leave::Release),
        State::Unspecified
        | State::Open
        | State::Accepted
        | State::Picking
        | State::Packed
        | State::Delivered
        | State::Undelivered
        | State::Returning
        | State::ReadyForPickup
        | State::OnHold
        | State::RejectedByStore => None,
    }
}

/// Lines found short are released down to what the group still holds: a quantity that was released already is not released again.
fn short_parts(reservation: &Reservation, changed: &FulfillmentChanged) -> Vec<Part> {
    let mut short = parts(changed, &changed.released);
    let held = parts(changed, &changed.goods);
    for part in &mut short {
        let same = |line_id: &str, location_id: &str| line_id == part.line_id && location_id == part.location_id;
        let left: i64 = reservation
            .allocations
            .iter()
            .filter(|allocation| same(&allocation.line_id, &allocation.location_id))
            .map(|allocation| allocation.left())
            .sum();
        let held: i64 =
            held.iter().filter(|held| same(&held.line_id, &held.location_id)).map(|held| held.quantity).sum();
        part.quantity = part.quantity.min(left.saturating_sub(held)).max(0);
    }
    short.retain(|part| part.quantity > 0);
    short
}

fn parts(changed: &FulfillmentChanged, goods: &[OrderedGoods]) -> Vec<Part> {
    let location = |goods: &OrderedGoods| match goods.location_id.as_str() {
        "" => changed.location_id.clone(),
        named => named.to_owned(),
    };
    let goods = goods.iter().filter(|goods| goods.quantity > 0);
    goods
        .map(|goods| Part { line_id: goods.line_id.clone(), location_id: location(goods), quantity: goods.quantity })
        .collect()
}
