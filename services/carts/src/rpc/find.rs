//! Which cart a call means, and whether it is the caller's.

use omnimesh_kit::{auth::Identity, call::Call, error::Fault, money::Currency, store::Conn};
use omnimesh_proto::access::v1::Audience;

use super::{Carts, claim_cart};
use crate::{
    domain::{Cart, CartId, State},
    error::Error,
    store,
};

/// A merged cart leads to the one it went into, which may have gone on itself.
const MAX_MERGES: usize = 64;

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
    let found = match which.id {
        Some(id) => {
            let mut conn = carts.deps.db.read().await?;
            by_id(&mut conn, call, id, which.trusted).await?
        }
        None => of_session(carts, call, which.currency).await?,
    };
    Ok(found.map(|cart| cart.at(now)))
}

/// Follows merges; any cart on the way may be the one that makes it the caller's.
async fn by_id(conn: &mut Conn, call: &Call, id: CartId, trusted: bool) -> Result<Option<Cart>, Error> {
    let mut allowed = trusted || may_name_any(call.identity());
    let mut next = id;
    for _ in 0..MAX_MERGES {
        let Some(cart) = store::cart(conn, next).await? else { return Ok(None) };
        allowed = allowed || cart.is_owned_by(call.identity());
        match cart.state {
            State::Merged { into } => next = into,
            _ => return Ok(allowed.then_some(cart)),
        }
    }
    Ok(None)
}

/// The cart that a session goes on with. A guest's cart that its customer left behind, because it was created while the
/// session was being identified, is claimed first: no line is lost.
async fn of_session(carts: &Carts, call: &Call, currency: Option<Currency>) -> Result<Option<Cart>, Error> {
    let Some(session) = call.session() else {
        let problem = "must be given: only a customer's session has a cart of its own";
        return Err(Fault::invalid("cart_id", problem).into());
    };
    let identity = call.identity();
    let mut tried = false;
    loop {
        let now = carts.deps.clock.now();
        let found = {
            let mut conn = carts.deps.db.read().await?;
            store::of_owner(&mut conn, session.profile, session.id, currency).await?
        };
        let found: Vec<_> = found.into_iter().map(|cart| cart.at(now)).collect();
        if let Some(profile) = session.profile
            && !tried
            && found.iter().any(|cart| cart.is_stray_of(identity))
        {
            tried = true;
            claim_cart::claim(carts, call, session.id, profile).await?;
            continue;
        }
        let mut own = found.into_iter().filter(|cart| cart.is_owned_by(identity));
        let Some(first) = own.next() else { return Ok(None) };
        if first.state.is_live() {
            return Ok(Some(first));
        }
        let mut conn = carts.deps.db.read().await?;
        let led = by_id(&mut conn, call, first.id, false).await?;
        return Ok(led.filter(|cart| cart.state.is_live()));
    }
}

/// The merged carts that still hold a guest's place although they lead to an order.
pub(crate) async fn dead_ends(carts: &Carts, call: &Call, currency: Currency) -> Result<Vec<CartId>, Error> {
    let Some(session) = call.session() else { return Ok(Vec::new()) };
    let mut conn = carts.deps.db.read().await?;
    let mut ends = Vec::new();
    for cart in store::of_owner(&mut conn, None, session.id, Some(currency)).await? {
        if matches!(cart.state, State::Merged { .. })
            && by_id(&mut conn, call, cart.id, true).await?.is_none_or(|end| !end.state.is_live())
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
