//! What sessions hear: of customers, who are merged, split and erased.

use async_trait::async_trait;
use omnimesh_kit::{
    call::Call,
    customers::{self, Change},
    ids::ProfileId,
    inbox::{BoxError, EventHandler},
    store::Tx,
};
use omnimesh_proto::events::v1::Event;

use crate::{domain::session::Session, endings, store};

/// Hears the profiles service.
pub(crate) struct Customers;

#[async_trait]
impl EventHandler for Customers {
    fn heeds(&self, event: &Event) -> bool {
        customers::concerns(event)
    }

    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        match customers::hear(tx, event).await? {
            Some(Change::Erased { erasure_id, profiles, .. }) => erase(tx, &erasure_id, &profiles).await,
            // A session keeps the profile that it was identified as: whose that is, is asked when it matters.
            Some(Change::Merged { .. } | Change::Split { .. }) | None => Ok(()),
        }
    }
}

/// Ends and forgets every session of a customer, and those to which theirs were handed over; with them goes what they proved.
async fn erase(tx: &mut Tx, erasure_id: &str, profiles: &[ProfileId]) -> Result<(), BoxError> {
    // Offers first: a claim that is under way holds its offer, so that its session is seen below, and none begins from here on.
    store::handoffs::erase(tx, profiles, &[]).await?;
    let sessions = store::sessions::of_profiles(tx, profiles).await?;
    let ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
    store::verifications::erase(tx, profiles, &ids).await?;
    store::handoffs::erase(tx, &[], &ids).await?;
    let (call, now) = (Call::system(crate::NAME), tx.now());
    for session in &sessions {
        if session.ended_at.is_none() {
            let (version, events) = (session.version + 1, session.events + 1);
            let ended = Session { ended_at: Some(now), version, events, ..session.clone() };
            endings::announce(tx, &ended, &call, now).await?;
        }
        store::sessions::delete(tx, session.id).await?;
    }
    let resources = profiles.iter().map(ToString::to_string).chain(ids.iter().map(ToString::to_string));
    customers::forgotten(tx, erasure_id, &resources.collect::<Vec<_>>()).await?;
    Ok(())
}
