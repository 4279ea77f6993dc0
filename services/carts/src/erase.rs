//! Forgets a customer: nothing that names or reaches them is left in any cart.

use std::collections::{BTreeMap, BTreeSet};

use omnimesh_kit::{
    call::Call,
    customers::{self, Held},
    ids::ProfileId,
    private::Private,
    store::Tx,
};

use crate::{
    NAME,
    customers::settle,
    domain::{Body, Cart, CartId, State, address::Address, delivery::Delivery},
    error::Error,
    rpc::change::{Effect, save},
    store,
};

/// Erases these profiles: their carts that are not ordered are emptied, with those that went into them, and those that they
/// filled as guests in these sessions; of orders stay the goods.
///
/// # Errors
/// If the database does not answer, or others are in the way.
pub(crate) async fn erase(tx: &mut Tx, erasure: &str, profiles: &[ProfileId], sessions: &[Held]) -> Result<(), Error> {
    // What is somebody else's leaves the customer's carts first.
    match settle(tx, profiles).await {
        Ok(()) | Err(Error::Refusal(_)) => {}
        Err(error) => return Err(error),
    }
    let now = tx.now();
    let mut found: BTreeMap<CartId, Cart> = BTreeMap::new();
    let mut new = store::all_of_locked(tx, profiles).await?;
    let guests = store::guests_locked(tx, sessions.iter().map(|held| held.session)).await?;
    let held =
        |cart: &Cart| sessions.iter().any(|held| cart.session == Some(held.session) && held.covers(cart.created_at));
    new.extend(guests.into_iter().filter(held));
    while !new.is_empty() {
        let ids: Vec<_> = new.iter().map(|cart| cart.id).collect();
        found.extend(new.into_iter().map(|cart| (cart.id, cart)));
        let inside = store::went_into_locked(tx, ids).await?;
        // A guest's that was claimed is the customer's too.
        let theirs = inside.into_iter().filter(|cart| cart.profile.is_none() && !found.contains_key(&cart.id));
        new = theirs.collect();
    }
    let mut resources: BTreeSet<String> = profiles.iter().map(ProfileId::to_string).collect();
    for cart in found.into_values() {
        resources.insert(cart.id.to_string());
        let mut blank = cart.clone();
        forget(&mut blank);
        if blank.body != cart.body {
            save(tx, &Call::system(NAME), blank, &[Effect::Changed], now).await?;
        }
    }
    for profile in profiles {
        store::settled(tx, *profile).await?;
    }
    Ok(customers::forgotten(tx, erasure, &resources.into_iter().collect::<Vec<_>>()).await?)
}

/// Takes everything personal out of a cart. What is being ordered keeps its goods.
fn forget(cart: &mut Cart) {
    let ordered = matches!(cart.state, State::Ordered { .. } | State::Frozen { order: Some(_), .. });
    if !ordered {
        let fresh = Cart::new(cart.created_at, cart.currency, cart.channel, None, None);
        cart.body = fresh.body;
        return;
    }
    cart.body.joined = None;
    blank(&mut cart.body);
}

fn blank(body: &mut Body) {
    for line in &mut body.lines {
        line.options.clear();
    }
    if let Some(Delivery::Ship { address, .. }) = &mut body.delivery {
        // The country stays: the tax is of it.
        let country = address.expose().country.clone();
        *address = Private::new(Address::of_country(country));
    }
}
