//! Which cart a call means, and whether it is the caller's.

use omnimesh_kit::{
    auth::Identity,
    call::Call,
    customers,
    error::Fault,
    ids::ProfileId,
    money::Currency,
    store::{self as store_kit, Conn},
};
use omnimesh_proto::access::v1::Audience;

use super::{Carts, change::writer, claim_cart, linked};
use crate::{
    customers::settle,
    domain::{Cart, CartId, Customer, State},
    error::Error,
    store,
};

/// A merged cart leads to the one it went into, which may have gone on itself.
pub(crate) const MAX_MERGES: usize = 64;

/// Which cart is meant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Which {
    /// That one, or the one it went into; none for the session's active cart.
    pub(crate) id: Option<CartId>,
    /// The session's active cart of that currency.
    pub(crate) currency: Option<Currency>,
    /// The caller speaks for the cart, whoever owns it: a service of the mesh that checked it before.
    pub(crate) trusted: bool,
}

impl Which {
    /// That cart, or the session's active one.
    pub(crate) fn cart(id: Option<CartId>) -> Self {
        Self { id, ..Self::default() }
    }
}

/// The cart that is meant, as it stands now; none if there is none, or none of the caller's.
pub(crate) async fn find(carts: &Carts, call: &Call, which: Which) -> Result<Option<Cart>, Error> {
    let now = carts.deps.clock.now();
    let handed = linked::scope(call).and_then(|scope| Some((scope.cart?, scope.owner)));
    let found = match (handed, which.id) {
        (Some((cart, owner)), named) => {
            let mut conn = carts.deps.db.read().await?;
            handed_over(&mut conn, &cart, owner, named).await?
        }
        (None, Some(id)) => {
            let mut conn = carts.deps.db.read().await?;
            match plain(&mut conn, call, id).await? {
                Some(cart) => Some(cart),
                None => {
                    let customer = customer(&mut conn, call).await?;
                    let any = which.trusted || may_name_any(call.identity());
                    by_id(&mut conn, customer.as_ref(), id, any).await?
                }
            }
        }
        (None, None) => of_session(carts, call, which.currency).await?,
    };
    if found.as_ref().is_some_and(|cart| cart.profile.is_some()) && of_a_guest(call) {
        // Who handed over has said who they are since: there is nothing to begin either.
        return Err(Error::NoCart(which.id));
    }
    Ok(found.map(|cart| cart.at(now)))
}

/// Whether what was handed over to the caller is a guest's, whose cart may turn out to be somebody's.
fn of_a_guest(call: &Call) -> bool {
    linked::scope(call).is_some_and(|scope| scope.owner.is_none())
}

/// The cart, if it is the session's own profile's or lineage's and went nowhere. That is what most calls name, and to know it
/// nobody has to be asked who else the customer is.
async fn plain(conn: &mut Conn, call: &Call, id: CartId) -> Result<Option<Cart>, store_kit::Error> {
    let Some(alone) = alone(call) else { return Ok(None) };
    let cart = store::cart(conn, id).await?;
    Ok(cart.filter(|cart| cart.is_owned_by(&alone) && !matches!(cart.state, State::Merged { .. })))
}

/// The caller, if it is a customer, by the session's own profile alone.
fn alone(call: &Call) -> Option<Customer> {
    let profile = writer(call);
    linked::lineage(call).map(|session| Customer { session, profile, members: profile.into_iter().collect() })
}

/// Whose carts the caller may use, if it is a customer. Who was handed a session over uses those of whom it came from.
pub(crate) async fn customer(conn: &mut Conn, call: &Call) -> Result<Option<Customer>, store_kit::Error> {
    let Some(session) = linked::lineage(call) else { return Ok(None) };
    let profile = writer(call);
    let members = match profile {
        Some(profile) => customers::members(conn, profile).await?,
        None => Vec::new(),
    };
    Ok(Some(Customer { session, profile, members }))
}

/// The one cart of a session that was handed over, wherever it went, as long as it is whose it was then.
async fn handed_over(
    conn: &mut Conn,
    cart: &str,
    owner: Option<ProfileId>,
    named: Option<CartId>,
) -> Result<Option<Cart>, Error> {
    let Ok(handed) = cart.parse::<CartId>() else { return Ok(None) };
    let Some(end) = by_id(conn, None, handed, true).await? else { return Ok(None) };
    let same = match (end.profile, owner) {
        (None, None) => true,
        (Some(now), Some(then)) => customers::are_one(conn, now, then).await?,
        _ => false,
    };
    let meant = match named {
        Some(id) if id != end.id => by_id(conn, None, id, true).await?.is_some_and(|named| named.id == end.id),
        Some(_) => true,
        None => end.state.is_live(),
    };
    Ok((same && meant).then_some(end))
}

/// Follows merges; any cart on the way may be the one that makes it the caller's, but none leads into the cart of somebody else:
/// two profiles that were taken for one customer may have been parted since.
async fn by_id(conn: &mut Conn, caller: Option<&Customer>, id: CartId, any: bool) -> Result<Option<Cart>, Error> {
    let mut allowed = any;
    let mut own = None;
    let mut next = id;
    for _ in 0..MAX_MERGES {
        let Some(cart) = store::cart(conn, next).await? else { return Ok(None) };
        let owned = caller.is_some_and(|caller| cart.is_owned_by(caller));
        allowed = allowed || owned;
        if let State::Merged { into } = cart.state {
            next = into;
            own = if owned { Some(cart) } else { own };
            continue;
        }
        let foreign = cart.profile.is_some() && caller.is_some_and(|caller| caller.profile.is_some()) && !owned && !any;
        return Ok(if foreign { own } else { allowed.then_some(cart) });
    }
    Ok(None)
}

/// The cart that a session goes on with. What its customer left behind is brought together first, so that no line is lost: a
/// guest's cart that was created while the session was being identified, and carts of profiles that were found to be one.
async fn of_session(carts: &Carts, call: &Call, currency: Option<Currency>) -> Result<Option<Cart>, Error> {
    let Some(alone) = alone(call) else {
        let problem = "must be given: only a customer's session has a cart of its own";
        return Err(Fault::invalid("cart_id", problem).into());
    };
    let mut tried = false;
    loop {
        let now = carts.deps.clock.now();
        let mut conn = carts.deps.db.read().await?;
        let found = store::of_owner(&mut conn, alone.session, alone.profile, currency).await?;
        // Mostly there is nothing but the profile's own cart, and it does not matter who else the customer is.
        let own = |cart: &Cart| !matches!(cart.state, State::Merged { .. }) && cart.is_owned_by(&alone);
        let customer = if found.iter().all(own) { None } else { customer(&mut conn, call).await? };
        let customer = customer.unwrap_or_else(|| alone.clone());
        drop(conn);
        let found: Vec<_> = found.into_iter().map(|cart| cart.at(now)).collect();
        if let Some(profile) = customer.profile
            && !tried
        {
            let stray = found.iter().any(|cart| cart.is_stray_of(&customer));
            if stray {
                claim_cart::claim(carts, call, customer.session, profile, None).await?;
            }
            let apart = are_several(&found, &customer);
            if apart {
                omnimesh_kit::transaction!(carts.deps.db, tx => { settle(&mut tx, &[profile]).await })?;
            }
            if stray || apart {
                tried = true;
                continue;
            }
        }
        let mut own = found.into_iter().filter(|cart| cart.is_owned_by(&customer));
        let Some(first) = own.next() else { return Ok(None) };
        if first.state.is_live() {
            return Ok(Some(first));
        }
        let mut conn = carts.deps.db.read().await?;
        let led = by_id(&mut conn, Some(&customer), first.id, false).await?;
        return Ok(led.filter(|cart| cart.state.is_live()));
    }
}

/// Whether a customer has several active carts of a currency: one was created before it was heard that the profiles are one.
fn are_several(found: &[Cart], customer: &Customer) -> bool {
    let active = found.iter().filter(|cart| cart.state == State::Active && cart.profile.is_some());
    let mut currencies: Vec<_> =
        active.filter(|cart| cart.is_owned_by(customer)).map(|cart| cart.currency.code()).collect();
    let all = currencies.len();
    currencies.sort_unstable();
    currencies.dedup();
    currencies.len() < all
}

/// Whether a cart that was found before it was locked is still the caller's: its profile may have left the caller's customer.
pub(crate) async fn still_theirs(
    conn: &mut Conn,
    call: &Call,
    which: Which,
    cart: &Cart,
) -> Result<bool, store_kit::Error> {
    if which.trusted || may_name_any(call.identity()) {
        return Ok(true);
    }
    let Some(owner) = cart.profile else { return Ok(true) };
    if of_a_guest(call) {
        return Ok(false);
    }
    Ok(customer(conn, call).await?.is_some_and(|caller| caller.profile.is_none() || caller.members.contains(&owner)))
}

/// The merged carts that still hold a guest's place although they lead to an order.
pub(crate) async fn dead_ends(carts: &Carts, call: &Call, currency: Currency) -> Result<Vec<CartId>, Error> {
    let Some(session) = linked::lineage(call) else { return Ok(Vec::new()) };
    let mut conn = carts.deps.db.read().await?;
    let mut ends = Vec::new();
    for cart in store::of_owner(&mut conn, session, None, Some(currency)).await? {
        if matches!(cart.state, State::Merged { .. })
            && by_id(&mut conn, None, cart.id, true).await?.is_none_or(|end| !end.state.is_live())
        {
            ends.push(cart.id);
        }
    }
    Ok(ends)
}

/// Staff, back-ends and the mesh itself may name any cart; customers only their own, also when a service asks for them.
fn may_name_any(identity: &Identity) -> bool {
    match identity.audience() {
        Audience::Staff | Audience::Service | Audience::Admin => true,
        // The mesh's own work: sweepers and consumers.
        Audience::Unspecified => identity.session.is_none(),
        Audience::Anonymous | Audience::Customer | Audience::Partner => false,
    }
}
