//! ClaimCart: a guest's carts become the customer's.
//!
//! Each currency by itself: where the profile has no cart of the currency, the guest's cart becomes its own, also a frozen one;
//! otherwise it is merged into the profile's. A frozen cart is at the till and is never merged: then both stay as they are, and
//! the guest's is claimed by the next call of the session after the freeze. Repeating it has one effect.

use omnimesh_kit::{
    call::Call,
    ids::{ProfileId, SessionId},
    validate::Violations,
};
use omnimesh_proto::carts::v1::{ClaimCartRequest, ClaimCartResponse};
use tonic::Response;

use super::{
    Carts,
    change::{Effect, save},
    merge_carts::{ask, merge_in},
    prices, view,
};
use crate::{
    domain::{Cart, State, merge::Mode},
    error::Error,
    store,
};

const TRIES: u32 = 8;

pub(crate) async fn claim_cart(
    carts: &Carts,
    call: &Call,
    request: ClaimCartRequest,
) -> Result<Response<ClaimCartResponse>, Error> {
    let mut v = Violations::new();
    let session = v.parse("session_id", &request.session_id);
    let profile = v.parse("profile_id", &request.profile_id);
    let (session, profile) = v.finish_with((session, profile))?;
    let cart = match claim(carts, call, session, profile).await? {
        Some(cart) => Some(prices::shown(carts, call, cart).await?),
        None => None,
    };
    Ok(Response::new(ClaimCartResponse { cart: cart.as_ref().map(view::cart) }))
}

/// Gives the session's guest carts to the profile; gives the cart to go on with.
pub(crate) async fn claim(
    carts: &Carts,
    call: &Call,
    session: SessionId,
    profile: ProfileId,
) -> Result<Option<Cart>, Error> {
    for _ in 0..TRIES {
        let now = carts.deps.clock.now();
        let found = {
            let mut conn = carts.deps.db.read().await?;
            store::of_owner(&mut conn, Some(profile), session, None).await?
        };
        let live: Vec<_> = found.into_iter().map(|cart| cart.at(now)).filter(|cart| cart.state.is_live()).collect();
        let mut own = live.iter().filter(|cart| cart.profile == Some(profile));
        let guests = live.iter().filter(|cart| cart.profile.is_none());
        let mut conflict = false;
        let mut changed = false;
        for guest in guests {
            let target = own.clone().find(|cart| cart.currency == guest.currency);
            match step(carts, call, guest, target, profile).await {
                Ok(step) => changed |= step,
                Err(Error::Conflict) => conflict = true,
                Err(error) => return Err(error),
            }
        }
        if !conflict && !changed {
            return Ok(own.next().or(live.first()).cloned());
        }
    }
    Err(Error::Conflict)
}

/// Gives one guest's cart to the profile; `false` if there is nothing to do.
async fn step(
    carts: &Carts,
    call: &Call,
    guest: &Cart,
    target: Option<&Cart>,
    profile: ProfileId,
) -> Result<bool, Error> {
    let now = carts.deps.clock.now();
    match target {
        None => omnimesh_kit::transaction!(carts.deps.db, tx => {
            let cart = store::cart_locked(&mut tx, guest.id).await?.ok_or(Error::Conflict)?.at(now);
            if cart.profile.is_some() || !cart.state.is_live() {
                return Err(Error::Conflict);
            }
            save(&mut tx, call, Cart { profile: Some(profile), ..cart }, &[Effect::Changed], now).await?;
            Ok(true)
        }),
        Some(target) if guest.state == State::Active && target.state == State::Active => {
            let fresh = ask(carts, call, guest, target, Mode::Max).await?;
            omnimesh_kit::transaction!(carts.deps.db, tx => {
                let pair = (guest.id, target.id);
                merge_in(&mut tx, call, pair, Mode::Max, fresh.as_ref(), now).await?;
                Ok(true)
            })
        }
        Some(_) => Ok(false),
    }
}
