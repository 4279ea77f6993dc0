//! What orders does with the events of profiles: which profiles are one customer is kept by kit, and a customer who is erased is
//! forgotten. Merges and splits change no order: whose it is, is asked at each read.

use async_trait::async_trait;
use omnimesh_kit::{
    call::Call,
    customers::{self, Change},
    inbox::{BoxError, EventHandler},
    store::Tx,
};
use omnimesh_proto::{events::v1::Event, profiles::v1::ProfileErased};
use prost::Message as _;
use uuid::Uuid;

use crate::{
    domain::{Cause, Order},
    error::Error,
    store::{erasure, events, orders},
};

/// Hears profiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profiles;

#[async_trait]
impl EventHandler for Profiles {
    fn heeds(&self, event: &Event) -> bool {
        customers::concerns(event)
    }

    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        let Some(Change::Erased { erasure_id, profiles, sessions }) = customers::hear(tx, event).await? else {
            return Ok(());
        };
        let mut forgotten: Vec<String> = profiles.iter().map(ToString::to_string).collect();
        let call = Call::system(crate::NAME);
        let sources = ProfileErased::decode(event.payload.clone())?.source_keys;
        let sources = sources.iter().map(|key| Uuid::from_slice(key)).collect::<Result<Vec<_>, _>>()?;
        for source in &sources {
            erasure::keep_erased(tx, *source).await?;
        }
        let profiles = profiles.iter().map(|profile| profile.0).collect();
        let mut orders = erasure::orders_of(tx, profiles, sources).await?;
        // What they placed before they said who they are.
        orders.extend(erasure::orders_of_guests(tx, &sessions).await?);
        orders.sort_unstable_by_key(|id| id.0);
        orders.dedup();
        for id in orders {
            let Some(mut order) = orders::lock(tx, id).await? else { continue };
            forget(tx, &call, &mut order).await?;
            forgotten.push(order.id.to_string());
            forgotten.extend(order.returns.iter().map(|found| found.id.to_string()));
        }
        customers::forgotten(tx, &erasure_id, &forgotten).await?;
        Ok(())
    }
}

/// The order stays with all its amounts, goods and states, under a profile id that leads to nobody.
async fn forget(tx: &mut Tx, call: &Call, order: &mut Order) -> Result<(), Error> {
    let cause = Cause::of(call, tx.now());
    order.erase(&cause);
    crate::rpc::save(tx, call, order).await?;
    events::blank_reasons(tx, order.id).await?;
    erasure::forget_codes(tx, order.id).await?;
    Ok(erasure::forget_conflicts(tx, order.id).await?)
}
