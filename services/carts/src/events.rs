//! What carts does with the events it hears: an order's fate is its cart's.

use async_trait::async_trait;
use omnimesh_kit::{
    call::Call,
    inbox::{BoxError, EventHandler},
    store::Tx,
};
use omnimesh_proto::{
    events::v1::Event,
    orders::v1::{OrderCancelled, OrderExpired, OrderPlaced},
};
use prost::{Message as _, Name as _};

use crate::{
    NAME,
    domain::{Cart, freeze},
    error::Error,
    rpc::change::{Effect, save},
    store,
};

/// Hears what becomes of orders.
#[derive(Debug)]
pub(crate) struct Orders;

#[async_trait]
impl EventHandler for Orders {
    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        let payload = event.payload.clone();
        let kind = event.r#type.as_str();
        if kind == OrderPlaced::full_name() {
            let order = OrderPlaced::decode(payload)?.order_id;
            settle(tx, &order, |cart| freeze::close(cart, &order)).await?;
        } else if kind == OrderCancelled::full_name() {
            let order = OrderCancelled::decode(payload)?.order_id;
            settle(tx, &order, |cart| thaw(cart, &order)).await?;
        } else if kind == OrderExpired::full_name() {
            let order = OrderExpired::decode(payload)?.order_id;
            settle(tx, &order, |cart| thaw(cart, &order)).await?;
        }
        Ok(())
    }
}

/// A cart that became the order stays closed; one that is still frozen for it is its customer's again.
fn thaw(cart: &mut Cart, order: &str) -> bool {
    freeze::thaw(cart, Some(order)).unwrap_or(false)
}

/// Changes the carts of an order.
async fn settle(tx: &mut Tx, order: &str, change: impl Fn(&mut Cart) -> bool) -> Result<(), Error> {
    let now = tx.now();
    for mut cart in store::of_order_locked(tx, order).await? {
        if change(&mut cart) {
            save(tx, &Call::system(NAME), cart, &[Effect::Changed], now).await?;
        }
    }
    Ok(())
}
