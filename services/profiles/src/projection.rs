//! Follows carts and orders by the summaries in their events, for the customer view and for the search by order numbers.
//!
//! A newer summary replaces an older one, in whatever order they are heard. Guests' carts and orders are attached as their
//! interactions are: to whoever held the session then, once that is known.

use omnimesh_kit::{clock::Timestamp, ids::ProfileId, inbox::BoxError, store::Tx, text::fold};
use omnimesh_proto::{
    carts::v1::{CartMerged, CartSummary},
    events::v1::Event,
    orders::v1::{OrderState, OrderSummary},
};
use prost::{Message, Name as _};

use crate::{
    domain::timeline::{OfOrder, holder_at},
    store::{
        owners,
        view::{self, Whose},
    },
};

/// What every event of carts has in common.
#[derive(Clone, PartialEq, Message)]
struct OfCart {
    #[prost(message, optional, tag = "15")]
    cart: Option<CartSummary>,
}

/// Takes in what an event says of a cart or an order.
pub(crate) async fn follow(tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
    let occurred_at = event.occurred_at.as_ref().and_then(Timestamp::from_proto).unwrap_or_else(|| tx.now());
    if event.r#type.starts_with("omnimesh.carts.v1.") {
        if let Some(cart) = OfCart::decode(event.payload.clone())?.cart {
            let (profile, fixed) = whose(tx, &cart.profile_id, &cart.session_id, occurred_at).await?;
            if !(fixed && gone(tx, profile).await?) {
                let whose = Whose { profile, fixed, lineage: &cart.session_id, attach_at: occurred_at };
                view::put_cart(tx, &cart, &whose).await?;
            }
        }
        if event.r#type == CartMerged::full_name() {
            view::cart_merged(tx, &CartMerged::decode(event.payload.clone())?.source_cart_id).await?;
        }
    } else if event.r#type.starts_with("omnimesh.orders.v1.")
        && let Some(order) = OfOrder::decode(event.payload.clone())?.order
    {
        let placed_at = order.place_time.as_ref().and_then(Timestamp::from_proto).unwrap_or(occurred_at);
        let (profile, fixed) = whose(tx, &order.profile_id, &order.session_id, placed_at).await?;
        if !(fixed && gone(tx, profile).await?) {
            let whose = Whose { profile, fixed, lineage: &order.session_id, attach_at: placed_at };
            view::put_order(tx, &order, &number(&order.number), is_open(&order), &whose).await?;
        }
    }
    Ok(())
}

/// A number as people type it: folded, without what only makes it readable.
pub(crate) fn number(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

fn is_open(order: &OrderSummary) -> bool {
    let ended = [OrderState::Completed, OrderState::Cancelled, OrderState::Expired].contains(&order.state());
    (!ended && order.state() != OrderState::Draft) || order.open_return_count > 0
}

async fn whose(
    tx: &mut Tx,
    named: &str,
    session: &str,
    moment: Timestamp,
) -> Result<(Option<ProfileId>, bool), BoxError> {
    if let Ok(profile) = named.parse() {
        return Ok((Some(profile), true));
    }
    if session.is_empty() {
        return Ok((None, false));
    }
    let now = tx.now();
    owners::lock_lineage(tx, session, now).await?;
    Ok((holder_at(&owners::holders(tx, session).await?, moment), false))
}

async fn gone(tx: &mut Tx, profile: Option<ProfileId>) -> Result<bool, BoxError> {
    match profile {
        Some(profile) => Ok(view::is_erased(tx, profile).await?),
        None => Ok(false),
    }
}
