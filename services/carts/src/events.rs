//! What carts does with the events it hears: an order's fate is its cart's, and a customer's profiles have one cart.

use async_trait::async_trait;
use omnimesh_kit::{
    call::Call,
    customers::{self, Change},
    ids::SessionId,
    inbox::{BoxError, EventHandler, is},
    store::Tx,
};
use omnimesh_proto::{
    events::v1::Event,
    orders::v1::{OrderCancelled, OrderExpired, OrderPlaced},
};
use prost::Message as _;

use crate::{
    NAME,
    customers::{FIRST_DELAY, settle},
    domain::{Cart, State, freeze},
    error::Error,
    rpc::change::{Effect, save},
    store,
};

/// Hears what becomes of orders.
#[derive(Debug)]
pub(crate) struct Orders;

#[async_trait]
impl EventHandler for Orders {
    fn heeds(&self, event: &Event) -> bool {
        is::<OrderPlaced>(event) || is::<OrderCancelled>(event) || is::<OrderExpired>(event)
    }

    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        let payload = event.payload.clone();
        if is::<OrderPlaced>(event) {
            let placed = OrderPlaced::decode(payload)?;
            follow(tx, &placed.order_id, |cart| freeze::close(cart, &placed.order_id)).await?;
            if let Some(session) = placed.order.and_then(|order| order.session_id.parse().ok()) {
                belongs_to(tx, &placed.order_id, session).await?;
            }
        } else if is::<OrderCancelled>(event) {
            let order = OrderCancelled::decode(payload)?.order_id;
            follow(tx, &order, |cart| thaw(cart, &order)).await?;
        } else if is::<OrderExpired>(event) {
            let order = OrderExpired::decode(payload)?.order_id;
            follow(tx, &order, |cart| thaw(cart, &order)).await?;
        }
        Ok(())
    }
}

/// A cart that became the order stays closed; one that is still frozen for it is its customer's again.
fn thaw(cart: &mut Cart, order: &str) -> bool {
    freeze::thaw(cart, Some(order)).unwrap_or(false)
}

/// Hears which profiles are one customer, and whom to forget.
#[derive(Debug)]
pub(crate) struct Profiles;

#[async_trait]
impl EventHandler for Profiles {
    fn heeds(&self, event: &Event) -> bool {
        customers::concerns(event)
    }

    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        let profiles = match customers::hear(tx, event).await? {
            None => return Ok(()),
            Some(Change::Merged { members, .. }) => members,
            Some(Change::Split { members }) => members.into_iter().map(|(member, _)| member).collect(),
            Some(Change::Erased { erasure_id, profiles, sessions }) => {
                crate::erase::erase(tx, &erasure_id, &profiles, &sessions).await?;
                return Ok(());
            }
        };
        match settle(tx, &profiles).await {
            // Nothing was written. The customers are who they are; their carts follow when they can.
            Err(Error::Refusal(refusal)) => {
                tracing::error!(cause = %refusal, "carts of a customer's profiles can't be settled");
                let due = tx.now().plus(FIRST_DELAY);
                for profile in profiles {
                    store::settle_later(tx, profile, due).await?;
                }
                Ok(())
            }
            done => Ok(done?),
        }
    }
}

/// A guest's cart that was ordered where it had been handed over to is that guest's: whoever is erased with the order takes it
/// along.
async fn belongs_to(tx: &mut Tx, order: &str, session: SessionId) -> Result<(), Error> {
    for cart in store::of_order_locked(tx, order).await? {
        if cart.profile.is_none() && cart.session != Some(session) {
            store::take(tx, cart.id, session).await?;
        }
    }
    Ok(())
}

/// Changes the carts of an order.
async fn follow(tx: &mut Tx, order: &str, change: impl Fn(&mut Cart) -> bool) -> Result<(), Error> {
    let now = tx.now();
    for mut cart in store::of_order_locked(tx, order).await? {
        if change(&mut cart) {
            let cart = save(tx, &Call::system(NAME), cart, &[Effect::Changed], now).await?;
            if cart.state == State::Active {
                // What waited for the till.
                settle(tx, cart.profile.as_slice()).await?;
            }
        }
    }
    Ok(())
}
