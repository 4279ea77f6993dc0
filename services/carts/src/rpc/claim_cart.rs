//! ClaimCart: a guest's carts become the customer's.
//!
//! Each currency by itself: where the customer has no cart of the currency, the guest's cart becomes the profile's own, also a
//! frozen one; otherwise it goes into the customer's. A frozen cart is at the till and is never merged: then both stay as they
//! are, and the guest's is claimed by the next call of the session after the freeze. Repeating it has one effect.
//!
//! A guest's cart that was handed over is claimed too, and is then the claimer's alone: the device it came from finds it no more,
//! because from there on it may hold what is nobody else's business. A customer's cart is never taken.

use omnimesh_kit::{
    call::Call,
    customers,
    ids::{ProfileId, SessionId},
    store::{Conn, Tx},
    validate::Violations,
};
use omnimesh_proto::carts::v1::{ClaimCartRequest, ClaimCartResponse};
use tonic::Response;

use super::{
    Carts,
    change::{Effect, save},
    find::MAX_MERGES,
    merge_carts::{How, ask, merge_in},
    prices, view,
};
use crate::{
    domain::{Cart, CartId, State, merge::Mode},
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
    let handed = v.parse_optional("handed_cart_id", &request.handed_cart_id);
    let (session, profile, handed) = v.finish_with((session, profile, handed))?;
    let cart = match claim(carts, call, session, profile, handed).await? {
        Some(cart) => Some(prices::shown(carts, call, cart).await?),
        None => None,
    };
    Ok(Response::new(ClaimCartResponse { cart: cart.as_ref().map(view::cart) }))
}

/// What is claimed, and for whom.
#[derive(Clone, Copy, Debug)]
struct Claim<'a> {
    session: SessionId,
    profile: ProfileId,
    /// The guests' carts that lead from the one that was handed over to the one that goes on, that one included.
    handed: &'a [CartId],
}

/// Gives the session's guest carts to the profile, and the guest's cart that was handed over to it; gives the cart to go on with.
pub(crate) async fn claim(
    carts: &Carts,
    call: &Call,
    session: SessionId,
    profile: ProfileId,
    handed: Option<CartId>,
) -> Result<Option<Cart>, Error> {
    for _ in 0..TRIES {
        let now = carts.deps.clock.now();
        let mut conn = carts.deps.db.read().await?;
        let members = customers::members(&mut conn, profile).await?;
        let mut found = store::of_owner(&mut conn, session, Some(profile), None).await?;
        let way = match handed {
            Some(id) => way(&mut conn, id).await?,
            None => Vec::new(),
        };
        drop(conn);
        let chain: Vec<_> = way.iter().filter(|cart| cart.profile.is_none()).map(|cart| cart.id).collect();
        found.extend(way.into_iter().last().filter(|end| end.profile.is_none() && end.session != Some(session)));

        let found = found.into_iter().map(|cart| cart.at(now)).filter(|cart| cart.state.is_live());
        let live: Vec<_> = found.filter(|cart| cart.profile.is_none_or(|it| members.contains(&it))).collect();
        let own = live.iter().filter(|cart| cart.profile.is_some());
        let guests = live.iter().filter(|cart| cart.profile.is_none());
        let mut conflict = false;
        let mut changed = false;
        for guest in guests {
            let of_currency = || own.clone().filter(|cart| cart.currency == guest.currency);
            let target = of_currency().find(|cart| cart.state == State::Active).or_else(|| of_currency().next());
            let handed = if chain.contains(&guest.id) { chain.as_slice() } else { &[] };
            match step(carts, call, guest, target, Claim { session, profile, handed }).await {
                Ok(step) => changed |= step,
                Err(Error::Conflict) => conflict = true,
                Err(error) => return Err(error),
            }
        }
        if !conflict && !changed {
            return Ok(own.clone().next().or(live.first()).cloned());
        }
    }
    Err(Error::Conflict)
}

/// The carts from that one to the one it went into at last; none if that is an order.
async fn way(conn: &mut Conn, mut id: CartId) -> Result<Vec<Cart>, Error> {
    let mut way = Vec::new();
    while let Some(cart) = store::cart(conn, id).await? {
        let into = if let State::Merged { into } = cart.state { Some(into) } else { None };
        let ends = into.is_none() && !cart.state.is_live();
        way.push(cart);
        match into {
            Some(next) if way.len() < MAX_MERGES => id = next,
            _ if ends => return Ok(Vec::new()),
            _ => break,
        }
    }
    Ok(way)
}

/// Gives one guest's cart to the profile; `false` if there is nothing to do.
async fn step(
    carts: &Carts,
    call: &Call,
    guest: &Cart,
    target: Option<&Cart>,
    claim: Claim<'_>,
) -> Result<bool, Error> {
    let now = carts.deps.clock.now();
    match target {
        None => omnimesh_kit::transaction!(carts.deps.db, tx => {
            let cart = store::cart_locked(&mut tx, guest.id).await?.ok_or(Error::Conflict)?.at(now);
            if cart.profile.is_some() || !cart.state.is_live() {
                return Err(Error::Conflict);
            }
            take(&mut tx, claim).await?;
            let session = if claim.handed.is_empty() { cart.session } else { Some(claim.session) };
            let claimed = Cart { profile: Some(claim.profile), session, ..cart };
            save(&mut tx, call, claimed, &[Effect::Changed], now).await?;
            Ok(true)
        }),
        Some(target) if guest.state == State::Active && target.state == State::Active => {
            let fresh = ask(carts, call, guest, target, Mode::Max).await?;
            omnimesh_kit::transaction!(carts.deps.db, tx => {
                take(&mut tx, claim).await?;
                let how = How { mode: Mode::Max, claimed_for: Some(claim.profile) };
                merge_in(&mut tx, call, (guest.id, target.id), how, fresh.as_ref(), now).await?;
                Ok(true)
            })
        }
        Some(_) => Ok(false),
    }
}

/// What was handed over is the claimer's lineage's from here on.
async fn take(tx: &mut Tx, claim: Claim<'_>) -> Result<(), Error> {
    for cart in claim.handed {
        store::take(tx, *cart, claim.session).await?;
    }
    Ok(())
}
