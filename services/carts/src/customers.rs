//! Brings the carts of a customer's profiles together, and apart again, as the profiles service decides who is one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use omnimesh_kit::{
    call::Call,
    customers,
    ids::ProfileId,
    store::{self as kit, Conn, Tx},
};

use crate::{
    NAME,
    domain::{
        Cart, CartId, State,
        customer::{Outcome, Roots, arrange},
    },
    error::Error,
    rpc::{
        change::{Effect, save},
        view,
    },
    store,
};

/// How soon to look again whether a freeze has ended.
pub(crate) const FIRST_DELAY: Duration = Duration::from_secs(2);

const TRIES: usize = 8;
const MAX_MERGES: usize = 64;

/// All carts that have to do with some profiles, and which profiles are one customer.
#[derive(Debug, Default)]
struct Around {
    carts: BTreeMap<CartId, Cart>,
    roots: Roots,
}

/// Settles the carts of these profiles' customers: one active cart per customer and currency, and none of anybody else in it.
/// Changes nothing if they are. What has to wait for the end of a freeze is noted and settled later.
///
/// # Errors
/// [`Error::Conflict`] if others are in the way.
pub(crate) async fn settle(tx: &mut Tx, profiles: &[ProfileId]) -> Result<(), Error> {
    let due = tx.now().plus(FIRST_DELAY);
    for owner in try_settle(tx, profiles).await? {
        store::settle_later(tx, owner, due).await?;
    }
    Ok(())
}

/// As [`settle`]; gives the owners of the carts at the till that something waits for.
///
/// # Errors
/// [`Error::Conflict`] if others are in the way.
pub(crate) async fn try_settle(tx: &mut Tx, profiles: &[ProfileId]) -> Result<BTreeSet<ProfileId>, Error> {
    let now = tx.now();
    let around = locked(tx, profiles).await?;
    let arrangement = arrange(&around.carts, &around.roots, now)?;
    // As they will be stored: those that end tell of those that go on.
    let after: BTreeMap<CartId, Cart> = arrangement
        .carts
        .iter()
        .map(|(cart, _)| (cart.id, Cart { version: cart.version + 1, ..cart.clone() }))
        .collect();
    let call = Call::system(NAME);
    for (cart, outcome) in arrangement.carts {
        let effect = match outcome {
            Outcome::Created => Effect::Created,
            Outcome::Changed => Effect::Changed,
            Outcome::Merged(into) => {
                let target = after.get(&into).or_else(|| around.carts.get(&into));
                target.map_or(Effect::Changed, |target| Effect::MergedInto(Box::new(view::summary(target))))
            }
            Outcome::Parted { from, returned, kept } => Effect::Parted { from, returned, kept },
        };
        save(tx, &call, cart, &[effect], now).await?;
    }
    Ok(arrangement.waits)
}

/// Reads what has to do with the profiles once more under the locks of it all, until nothing more turns up.
async fn locked(tx: &mut Tx, profiles: &[ProfileId]) -> Result<Around, Error> {
    let mut seen = around(tx, profiles).await?;
    for _ in 0..TRIES {
        store::lock(tx, seen.carts.keys().copied()).await?;
        let now = around(tx, profiles).await?;
        if now.carts.keys().eq(seen.carts.keys()) {
            return Ok(now);
        }
        seen = now;
    }
    Err(Error::Conflict)
}

async fn around(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Around, kit::Error> {
    let mut found = Around::default();
    let mut next = profiles.to_vec();
    while !next.is_empty() {
        let mut new = Vec::new();
        for profile in next {
            if found.roots.contains_key(&profile) {
                continue;
            }
            let root = customers::root(conn, profile).await?;
            for member in customers::members(conn, profile).await? {
                found.roots.insert(member, root);
                new.push(member);
            }
        }
        let mut heads = store::live_of(conn, &new).await?;
        for id in store::went_to(conn, &new).await? {
            heads.extend(end_of(conn, id).await?);
        }
        let mut people = BTreeSet::new();
        while let Some(cart) = heads.pop() {
            people.extend(cart.profile);
            people.extend(cart.body.writers());
            for inside in cart.body.joined.iter().flat_map(|joined| &joined.carts) {
                if !found.carts.contains_key(inside) {
                    heads.extend(store::cart(conn, *inside).await?);
                }
            }
            found.carts.insert(cart.id, cart);
        }
        next = people.into_iter().filter(|profile| !found.roots.contains_key(profile)).collect();
    }
    Ok(found)
}

/// The live cart that a merged one leads to.
async fn end_of(conn: &mut Conn, mut id: CartId) -> Result<Option<Cart>, kit::Error> {
    for _ in 0..MAX_MERGES {
        let Some(cart) = store::cart(conn, id).await? else { return Ok(None) };
        match cart.state {
            State::Merged { into } => id = into,
            _ => return Ok(cart.state.is_live().then_some(cart)),
        }
    }
    Ok(None)
}
