//! What an event of another service means in a customer's timeline. Pure: the event goes in, the interaction comes out.

use omnimesh_kit::{clock::Timestamp, ids::ProfileId, trace::parse_traceparent};
use omnimesh_proto::{
    carts::v1::{CartLineAdded, CartMerged},
    common::v1::Actor,
    events::v1::Event,
    orders::v1::{
        FulfillmentChanged, FulfillmentState, OrderCancelled, OrderCompleted, OrderConfirmed, OrderExpired,
        OrderPlaced, OrderSummary, PaymentRecorded, ReturnChanged, ReturnState,
    },
    profiles::v1::InteractionKind,
    sessions::v1::{HandoffClaimed, SessionIdentified, SessionStarted},
};
use prost::{DecodeError, Message, Name};
use uuid::Uuid;

/// A thing that happened, before it is known whose it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Happening {
    /// The event's id.
    pub(crate) id: Uuid,
    /// What happened.
    pub(crate) kind: InteractionKind,
    /// Where, as i32 of the contract's channel.
    pub(crate) channel: i32,
    /// When.
    pub(crate) occurred_at: Timestamp,
    /// What it is about.
    pub(crate) resource: String,
    /// The session in which it happened; empty for none.
    pub(crate) session: String,
    /// The guest's session that ended with it and goes on in this one; empty for none.
    pub(crate) continues: String,
    /// The order, for events of orders; else empty.
    pub(crate) order: String,
    /// Whose it is, where the event itself says so.
    pub(crate) profile: Option<ProfileId>,
    /// The journey.
    pub(crate) journey: String,
    /// The trace of the request that did it.
    pub(crate) trace: String,
    /// Who did it.
    pub(crate) actor: Actor,
}

/// An event that can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the payload is not of its type: {0}")]
    Payload(#[from] DecodeError),
    #[error("the envelope has no usable {0}")]
    Envelope(&'static str),
}

/// What every event of orders has in common.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OfOrder {
    /// The order after the change.
    #[prost(message, optional, tag = "15")]
    pub(crate) order: Option<OrderSummary>,
}

/// What an event means; `None` if nothing that a timeline shows.
pub(crate) fn read(event: &Event) -> Result<Option<Happening>, Unreadable> {
    use InteractionKind as Kind;
    let (kind, resource, order, profile) = if let Some(started) = payload::<SessionStarted>(event)? {
        (Kind::SessionStarted, started.session_id, String::new(), String::new())
    } else if let Some(identified) = payload::<SessionIdentified>(event)? {
        (Kind::Identified, identified.session_id, String::new(), identified.profile_id)
    } else if let Some(added) = payload::<CartLineAdded>(event)? {
        // An associate's session is nobody's: what it puts into a customer's cart is the customer's.
        let owner = added.cart.map(|cart| cart.profile_id).unwrap_or_default();
        (Kind::CartLineAdded, added.cart_id, String::new(), owner)
    } else if let Some(merged) = payload::<CartMerged>(event)? {
        (Kind::CartMerged, merged.target_cart_id, String::new(), merged.profile_id)
    } else if let Some(claimed) = payload::<HandoffClaimed>(event)? {
        (Kind::HandedOver, claimed.handoff_id, String::new(), claimed.profile_id)
    } else if let Some(changed) = payload::<ReturnChanged>(event)? {
        let Some(kind) = of_return(changed.state()) else { return Ok(None) };
        (kind, changed.return_id, changed.order_id, String::new())
    } else if let Some((kind, order, profile)) = of_order(event)? {
        (kind, order.clone(), order, profile)
    } else {
        return Ok(None);
    };
    // An order that was imported has nobody who placed it in a session: the order itself says whose it is.
    let profile = match OfOrder::decode(event.payload.clone()) {
        Ok(OfOrder { order: Some(summary) }) if !order.is_empty() && profile.is_empty() => summary.profile_id,
        _ => profile,
    };
    let actor = event.actor.clone().unwrap_or_default();
    let session = match kind {
        Kind::SessionStarted | Kind::Identified => resource.clone(),
        Kind::HandedOver => customers_session(event)?,
        _ => event.session_id.clone(),
    };
    let continues = if kind == Kind::HandedOver { left_behind(event)? } else { String::new() };
    let id = Uuid::from_slice(&event.id).map_err(|_| Unreadable::Envelope("id"))?;
    let occurred_at = event.occurred_at.as_ref().and_then(Timestamp::from_proto);
    let occurred_at = occurred_at.ok_or(Unreadable::Envelope("occurred_at"))?;
    Ok(Some(Happening {
        id,
        kind,
        channel: channel(event)?.unwrap_or(actor.channel),
        occurred_at,
        resource,
        session,
        continues,
        order,
        profile: profile.parse().ok(),
        journey: event.journey_id.clone(),
        trace: parse_traceparent(&event.traceparent).map(|context| context.trace_id().to_string()).unwrap_or_default(),
        actor,
    }))
}

/// Kind, order and profile of an order's event.
fn of_order(event: &Event) -> Result<Option<(InteractionKind, String, String)>, DecodeError> {
    use InteractionKind as Kind;
    if let Some(placed) = payload::<OrderPlaced>(event)? {
        return Ok(Some((Kind::OrderPlaced, placed.order_id, placed.profile_id)));
    }
    let found = if let Some(confirmed) = payload::<OrderConfirmed>(event)? {
        Some((Kind::OrderConfirmed, confirmed.order_id))
    } else if let Some(cancelled) = payload::<OrderCancelled>(event)? {
        Some((Kind::OrderCancelled, cancelled.order_id))
    } else if let Some(expired) = payload::<OrderExpired>(event)? {
        Some((Kind::OrderExpired, expired.order_id))
    } else if let Some(completed) = payload::<OrderCompleted>(event)? {
        Some((Kind::OrderCompleted, completed.order_id))
    } else if let Some(recorded) = payload::<PaymentRecorded>(event)? {
        Some((Kind::PaymentRecorded, recorded.order_id))
    } else if let Some(changed) = payload::<FulfillmentChanged>(event)? {
        of_state(changed.state()).map(|kind| (kind, changed.order_id))
    } else {
        None
    };
    Ok(found.map(|(kind, order)| (kind, order, String::new())))
}

fn of_return(state: ReturnState) -> Option<InteractionKind> {
    Some(match state {
        ReturnState::Requested => InteractionKind::ReturnRequested,
        ReturnState::Approved | ReturnState::Rejected => InteractionKind::ReturnDecided,
        ReturnState::PartiallyReceived | ReturnState::Received => InteractionKind::ReturnReceived,
        ReturnState::Refunded | ReturnState::Replaced => InteractionKind::ReturnSettled,
        _ => return None,
    })
}

/// The session that is the customer's after a hand-over: the one that claimed it, unless an associate did.
fn customers_session(event: &Event) -> Result<String, DecodeError> {
    let claimed = payload::<HandoffClaimed>(event)?.unwrap_or_default();
    Ok(if claimed.claimed_by_associate { claimed.source_session_id } else { claimed.session_id })
}

/// The session that ended because its guest goes on in another: nobody else can be who was there.
fn left_behind(event: &Event) -> Result<String, DecodeError> {
    let claimed = payload::<HandoffClaimed>(event)?.unwrap_or_default();
    let left = claimed.source_ended && !claimed.claimed_by_associate && claimed.profile_id.is_empty();
    Ok(if left { claimed.source_session_id } else { String::new() })
}

fn of_state(state: FulfillmentState) -> Option<InteractionKind> {
    Some(match state {
        FulfillmentState::Accepted => InteractionKind::FulfillmentAccepted,
        FulfillmentState::RejectedByStore => InteractionKind::FulfillmentRejected,
        FulfillmentState::Packed => InteractionKind::FulfillmentPacked,
        FulfillmentState::ReadyForPickup => InteractionKind::ReadyForPickup,
        FulfillmentState::PickedUp => InteractionKind::PickedUp,
        FulfillmentState::Shipped => InteractionKind::Shipped,
        FulfillmentState::Delivered => InteractionKind::Delivered,
        FulfillmentState::NoShow => InteractionKind::NoShow,
        _ => return None,
    })
}

/// The channel that the event itself names.
fn channel(event: &Event) -> Result<Option<i32>, DecodeError> {
    let named = if let Some(started) = payload::<SessionStarted>(event)? {
        Some(started.channel)
    } else if let Some(identified) = payload::<SessionIdentified>(event)? {
        Some(identified.channel)
    } else if let Some(claimed) = payload::<HandoffClaimed>(event)? {
        Some(claimed.channel)
    } else {
        payload::<OrderPlaced>(event)?.map(|placed| placed.channel)
    };
    Ok(named.filter(|channel| *channel != 0))
}

fn payload<T: Message + Name + Default>(event: &Event) -> Result<Option<T>, DecodeError> {
    if event.r#type == T::full_name() { T::decode(event.payload.clone()).map(Some) } else { Ok(None) }
}

/// Whose something of a lineage is that happened at a moment: whoever held it then; before the first identification, whoever
/// was identified first. `holders` are ordered by time.
pub(crate) fn holder_at(holders: &[(Timestamp, ProfileId)], moment: Timestamp) -> Option<ProfileId> {
    let then = holders.iter().rev().find(|(since, _)| *since <= moment);
    then.or_else(|| holders.first()).map(|(_, profile)| *profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_it_was_then() {
        let at = Timestamp::from_micros;
        let [a, b] = [1, 2].map(|n| ProfileId(Uuid::from_u128(n)));
        assert_eq!(holder_at(&[], at(5)), None);
        let holders = [(at(10), a), (at(20), b)];
        for (moment, holder) in [(5, a), (10, a), (19, a), (20, b), (99, b)] {
            assert_eq!(holder_at(&holders, at(moment)), Some(holder), "{moment}");
        }
    }
}
