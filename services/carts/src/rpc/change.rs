//! How every change of one cart runs: find the cart, try the change on a copy, ask for the prices it needs, then one
//! transaction that stores it if nobody else was faster; if somebody was, all again.

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    idempotency::{Once, Reply},
    ids::ProfileId,
    money::Currency,
    outbox,
    store::Tx,
};
use omnimesh_proto::carts::v1::{
    self as proto, CartChanged, CartCreated, CartLineAdded, CartMerged, CartParted, CartSummary,
};
use prost::Message;

use super::{
    Carts,
    find::{Which, dead_ends, find, still_theirs},
    linked, prices, view,
};
use crate::{
    domain::{Cart, CartId, LineId, Refusal, State, joined, price::Fresh},
    error::Error,
    store,
};

/// Tries when others are faster. From the second on the cart is locked first, so only new prices can be in the way.
const TRIES: u32 = 8;

/// What a change sends to others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// The cart is new.
    Created,
    /// A line was added or raised.
    LineAdded(LineId, String, i64),
    /// Anything else.
    Changed,
    /// It went into another cart, which stands like that afterwards.
    MergedInto(Box<CartSummary>),
    /// It was taken out of the cart it had gone into: with so many lines, but without those that others edited meanwhile.
    Parted {
        /// That cart.
        from: CartId,
        /// How many lines it has back.
        returned: usize,
        /// The lines that stay with who edited them.
        kept: Vec<LineId>,
    },
}

/// A change of one cart: pure, tried on copies, perhaps more than once.
pub(crate) trait Edit: Send + Sync {
    /// Changes the cart; no effects mean that it is as it was asked to be already.
    fn apply(&self, cart: &mut Cart, now: Timestamp) -> Result<Vec<Effect>, Refusal>;

    /// Whether the changed and quoted cart is acceptable.
    fn check(&self, _cart: &Cart) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A reply that is the whole cart.
pub(crate) trait Whole: Message + Default + Clone {
    /// The reply with that cart.
    fn of(cart: proto::Cart) -> Self;
}

macro_rules! whole {
    ($($response:ident),+) => {$(
        impl Whole for proto::$response {
            fn of(cart: proto::Cart) -> Self {
                Self { cart: Some(cart) }
            }
        }
    )+};
}

whole!(
    AddLineResponse,
    ChangeLineResponse,
    RemoveLineResponse,
    ApplyCouponResponse,
    SetDeliveryResponse,
    MergeCartsResponse,
    FreezeCartResponse,
    ThawCartResponse
);

/// What a change gives.
#[derive(Debug)]
pub(crate) struct Done<R> {
    /// The reply.
    pub(crate) reply: Reply<R>,
    /// The cart that it created.
    pub(crate) created: Option<CartId>,
}

/// Changes the cart that is meant. `create` is the currency of the cart that is made if there is none.
pub(crate) async fn change<R: Whole>(
    carts: &Carts,
    call: &Call,
    once: &Once,
    which: Which,
    create: Option<Currency>,
    edit: &dyn Edit,
) -> Result<Done<R>, Error> {
    linked::may_change(call)?;
    let mut lock = false;
    for _ in 0..TRIES {
        match attempt(carts, call, once, which, create, edit, lock).await {
            Err(Error::Conflict) => lock = true,
            done => return or_stored(carts, once, done).await,
        }
    }
    Err(Error::Conflict)
}

/// The caller has that cart and may change it: said before anything else is looked up, which is none of other people's business.
pub(crate) async fn expect_cart(carts: &Carts, call: &Call, which: Which) -> Result<(), Error> {
    linked::may_change(call)?;
    find(carts, call, which).await?.map(drop).ok_or(Error::NoCart(which.id))
}

/// A repeated request never fails on its own effect: if it has a stored reply, that is the answer.
pub(crate) async fn or_stored<R: Whole>(
    carts: &Carts,
    once: &Once,
    done: Result<Done<R>, Error>,
) -> Result<Done<R>, Error> {
    let Err(error) = done else { return done };
    match once.stored::<R, Error>(&carts.deps.db).await {
        Ok(Some(message)) => Ok(Done { reply: Reply { message, replayed: true }, created: None }),
        Ok(None) | Err(Error::Store(_)) => Err(error),
        Err(reused) => Err(reused),
    }
}

async fn attempt<R: Whole>(
    carts: &Carts,
    call: &Call,
    once: &Once,
    which: Which,
    create: Option<Currency>,
    edit: &dyn Edit,
    lock: bool,
) -> Result<Done<R>, Error> {
    let now = carts.deps.clock.now();
    let found = find(carts, call, which).await?;
    // Where a cart was handed over there is no other.
    let create = create.filter(|_| linked::scope(call).is_none_or(|scope| scope.cart.is_none()));
    let fresh_cart = |currency| {
        let profile = writer(call);
        // A customer's cart that somebody else's session creates is the customer's alone.
        let own = call.session().is_some_and(|session| profile.is_none() || session.profile.is_some());
        let lineage = linked::lineage(call).filter(|_| own);
        Cart::new(now, currency, prices::channel_of(call), lineage, profile)
    };
    let seen = match (found, create) {
        (Some(cart), _) => cart,
        (None, Some(currency)) => fresh_cart(currency),
        (None, None) => return Err(Error::NoCart(which.id)),
    };

    let mut probe = seen.clone();
    let effects = edit.apply(&mut probe, now)?;
    joined::note(&seen.body, &mut probe.body, probe.profile, writer(call));
    // Only an active cart's prices move.
    let fresh = if seen.state == State::Active { prices::ask(carts, call, &probe).await? } else { None };
    let effects = finish(edit, &seen.state, &mut probe, effects, fresh.as_ref(), now)?;

    // The place of a new cart is taken, and yet there is none to go on with.
    let taken = if lock && seen.version == 0 { dead_ends(carts, call, seen.currency).await? } else { Vec::new() };
    let lock = lock && seen.version > 0;
    let reply = omnimesh_kit::once!(carts.deps.db, once, tx => {
        for cart in &taken {
            store::retire(&mut tx, *cart).await?;
        }
        let cart = if lock {
            let mut cart = store::cart_locked(&mut tx, seen.id).await?.ok_or(Error::Conflict)?.at(now);
            let merged = matches!(cart.state, State::Merged { .. });
            if merged || cart.version != seen.version && !still_theirs(&mut tx, call, which, &cart).await? {
                return Err(Error::Conflict);
            }
            let before = cart.clone();
            let effects = edit.apply(&mut cart, now)?;
            joined::note(&before.body, &mut cart.body, cart.profile, writer(call));
            let effects = finish(edit, &before.state, &mut cart, effects, fresh.as_ref(), now)?;
            save(&mut tx, call, cart, &effects, now).await?
        } else {
            save(&mut tx, call, probe.clone(), &effects, now).await?
        };
        Ok::<R, Error>(R::of(view::cart_for(call, &cart)))
    })?;
    let created = (seen.version == 0 && !reply.replayed).then_some(seen.id);
    Ok(Done { reply, created })
}

/// To whose profile the writing of a call counts.
pub(crate) fn writer(call: &Call) -> Option<ProfileId> {
    let session = call.session()?;
    session.profile.or_else(|| session.linked.as_ref()?.owner)
}

/// Quotes the changed cart and checks it.
fn finish(
    edit: &dyn Edit,
    before: &State,
    cart: &mut Cart,
    effects: Vec<Effect>,
    fresh: Option<&Fresh>,
    now: Timestamp,
) -> Result<Vec<Effect>, Error> {
    if *before == State::Active {
        prices::requote(cart, fresh, now)?;
    }
    edit.check(cart)?;
    if cart.version == 0 {
        return Ok([Effect::Created].into_iter().chain(effects).collect());
    }
    Ok(effects)
}

/// Stores a changed cart with its next version and its events, in the caller's transaction.
///
/// # Errors
/// [`Error::Conflict`] if somebody else was faster.
pub(crate) async fn save(
    tx: &mut Tx,
    call: &Call,
    mut cart: Cart,
    effects: &[Effect],
    now: Timestamp,
) -> Result<Cart, Error> {
    if effects.is_empty() {
        return Ok(cart);
    }
    let seen = cart.version;
    let first = cart.events + 1;
    cart.version += 1;
    cart.events += i64::try_from(effects.len()).unwrap_or(0);
    cart.updated_at = now;
    let stored = match seen {
        0 => store::insert(tx, &cart).await,
        _ => store::update(tx, &cart, seen).await,
    };
    match stored {
        Ok(true) => {}
        Ok(false) => return Err(Error::Conflict),
        // The owner got another cart in between.
        Err(error) if error.is_unique_violation() => return Err(Error::Conflict),
        Err(error) => return Err(error.into()),
    }
    for (effect, seq) in effects.iter().zip(first..) {
        send(tx, call, &cart, effect, seq).await?;
    }
    Ok(cart)
}

/// Sends what happened to a cart, which comes along as it stands now.
async fn send(
    tx: &mut Tx,
    call: &Call,
    cart: &Cart,
    effect: &Effect,
    seq: i64,
) -> Result<(), omnimesh_kit::store::Error> {
    let now = view::summary(cart);
    let (cart_id, profile_id) = (now.cart_id.clone(), now.profile_id.clone());
    let id = now.cart_id.clone();
    let cart = Some(now);
    match effect {
        Effect::Created => outbox::append(tx, call, &id, seq, &CartCreated { cart_id, profile_id, cart }).await,
        Effect::LineAdded(line, sku, quantity) => {
            let (line_id, sku, quantity) = (line.to_string(), sku.clone(), *quantity);
            outbox::append(tx, call, &id, seq, &CartLineAdded { cart_id, line_id, sku, quantity, cart }).await
        }
        Effect::Changed => outbox::append(tx, call, &id, seq, &CartChanged { cart_id, cart }).await,
        Effect::MergedInto(target) => {
            let target_cart_id = target.cart_id.clone();
            let cart = Some(target.as_ref().clone());
            let merged = CartMerged { source_cart_id: cart_id, target_cart_id, profile_id, cart };
            outbox::append(tx, call, &id, seq, &merged).await
        }
        Effect::Parted { from, returned, kept } => {
            let parted = CartParted {
                cart_id,
                from_cart_id: from.to_string(),
                returned_line_count: i32::try_from(*returned).unwrap_or(i32::MAX),
                kept_line_ids: kept.iter().map(LineId::to_string).collect(),
                cart,
            };
            outbox::append(tx, call, &id, seq, &parted).await
        }
    }
}
