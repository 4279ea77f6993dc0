//! What this service does with the events it hears: each that a timeline shows becomes an interaction, once, and carts and
//! orders are followed for the customer view.
//!
//! Producers are not in order among each other: what a session did may be heard before or after it was identified. So the
//! holders of a session are kept with their moments, and whoever comes later puts right what came earlier. The row in
//! `lineages` is locked meanwhile, so that neither misses the other.

use async_trait::async_trait;
use omnimesh_kit::{
    clock::Timestamp,
    inbox::{BoxError, EventHandler},
    store::{self, Tx},
};
use omnimesh_proto::{
    events::v1::{ErasureApplied, Event},
    profiles::v1::InteractionKind,
};
use prost::{Message as _, Name as _};

use crate::{
    domain::timeline::{Happening, holder_at, read},
    identity::erased,
    projection,
    store::{
        clusters, erasures,
        owners::{self, OrderOwner},
        timeline::{self, Interaction},
        view,
    },
};

/// Fills the timeline.
pub(crate) struct Timeline;

#[async_trait]
impl EventHandler for Timeline {
    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        projection::follow(tx, event).await?;
        if event.r#type == ErasureApplied::full_name() {
            let applied = ErasureApplied::decode(event.payload.clone())?;
            let now = tx.now();
            erasures::part_done(tx, applied.erasure_id.parse()?, &event.producer, now).await?;
            return Ok(());
        }
        let Some(happening) = read(event)? else { return Ok(()) };
        record(tx, happening).await?;
        Ok(())
    }
}

async fn record(tx: &mut Tx, happening: Happening) -> Result<(), store::Error> {
    let now = tx.now();
    if happening.kind == InteractionKind::OrderPlaced {
        // An order that was placed by the session of an identified customer is the customer's whatever the session becomes.
        let owner = OrderOwner {
            profile: happening.profile,
            session: happening.session.clone(),
            placed_at: happening.occurred_at,
        };
        owners::insert_order_owner(tx, &happening.order, &owner).await?;
        owners::attach_order(tx, &happening.order, &owner).await?;
    }
    let mut profile = happening.profile;
    let (mut lineage, mut attach_at) = (happening.session.clone(), happening.occurred_at);
    if !happening.order.is_empty()
        && let Some(owner) = owners::order_owner(tx, &happening.order).await?
    {
        (profile, lineage, attach_at) = (owner.profile, owner.session, owner.placed_at);
    }
    let fixed = profile.is_some();
    let mut gone = None;
    if let (InteractionKind::Identified, Some(holder)) = (happening.kind, profile) {
        // Either an erasure sees the holder, or this sees the erasure.
        gone = clusters::lock(tx, vec![holder.0]).await?.into_iter().find(|node| node.erased).map(|node| node.id);
    }
    if !lineage.is_empty() {
        owners::lock_lineage(tx, &lineage, now).await?;
        if let (InteractionKind::Identified, Some(holder)) = (happening.kind, profile) {
            let new = owners::insert_holder(tx, &lineage, happening.occurred_at, holder).await?;
            reattach(tx, &lineage).await?;
            for source in owners::continued(tx, &lineage).await? {
                owners::lock_lineage(tx, &source, now).await?;
                reattach(tx, &source).await?;
            }
            if let Some(gone) = gone.filter(|_| new) {
                erased::late(tx, gone).await?;
            }
        }
        if !happening.continues.is_empty() {
            continues(tx, &happening.continues, &lineage).await?;
        }
        if happening.kind == InteractionKind::OrderPlaced {
            reattach(tx, &lineage).await?;
        }
        if profile.is_none() {
            profile = holder_at(&owners::holders(tx, &lineage).await?, attach_at);
        }
    }
    if profile.is_none() && lineage.is_empty() && happening.order.is_empty() {
        // Nobody's, and nothing will ever tell whose.
        return Ok(());
    }
    timeline::insert_interaction(tx, &Interaction { happening, profile, fixed, lineage, attach_at }).await
}

/// What a guest did in a session that ended is whose the session is in which it goes on, which is locked.
async fn continues(tx: &mut Tx, source: &str, session: &str) -> Result<(), store::Error> {
    let now = tx.now();
    owners::lock_lineage(tx, source, now).await?;
    if !owners::insert_continued(tx, source, session).await? {
        return Ok(());
    }
    reattach(tx, source).await?;
    if let Some((_, holder)) = owners::holders(tx, source).await?.first()
        && view::is_erased(tx, *holder).await?
    {
        erased::late(tx, *holder).await?;
    }
    Ok(())
}

/// Gives what a session did to those who held it then.
async fn reattach(tx: &mut Tx, lineage: &str) -> Result<(), store::Error> {
    let holders = owners::holders(tx, lineage).await?;
    let mut from = Timestamp::from_micros(i64::MIN);
    for (index, (_, profile)) in holders.iter().enumerate() {
        let until = holders.get(index + 1).map_or(Timestamp::from_micros(i64::MAX), |(since, _)| *since);
        owners::attach_lineage(tx, lineage, from, until, *profile).await?;
        view::attach(tx, lineage, from, until, *profile).await?;
        from = until;
    }
    Ok(())
}
