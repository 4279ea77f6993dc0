//! What channels does with the events of orders: an order that a marketplace has is to be looked at.

use async_trait::async_trait;
use omnimesh_kit::{
    inbox::{BoxError, EventHandler, is},
    store::Tx,
};
use omnimesh_proto::{
    events::v1::Event,
    orders::v1::{FulfillmentChanged, OrderCancelled},
};
use prost::Message as _;

use crate::{domain::OrderId, store};

/// Hears orders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders;

#[async_trait]
impl EventHandler for Orders {
    fn heeds(&self, event: &Event) -> bool {
        is::<FulfillmentChanged>(event) || is::<OrderCancelled>(event)
    }

    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        let order = if is::<FulfillmentChanged>(event) {
            FulfillmentChanged::decode(event.payload.clone())?.order_id
        } else if is::<OrderCancelled>(event) {
            OrderCancelled::decode(event.payload.clone())?.order_id
        } else {
            return Ok(());
        };
        let order: OrderId = order.parse()?;
        // An order that is imported just now is looked at once it is known here, so nothing is missed.
        if store::units::has_order(tx, order.0).await? {
            store::looks::add(tx, order.0).await?;
        }
        Ok(())
    }
}
