//! MergeCarts: one cart goes into another. A frozen cart is at the till: neither side of a merge may be frozen.

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    error::Fault,
    idempotency::{Once, Reply},
    ids::ProfileId,
    store::Tx,
    validate::Violations,
};
use omnimesh_proto::carts::v1::{MergeCartsRequest, MergeCartsResponse, MergeMode};
use tonic::Response;

use super::{
    Carts,
    change::{Done, Effect, Whole, or_stored, save, writer},
    find::{Which, find},
    linked, prices, view,
};
use crate::{
    domain::{
        Cart, CartId, Refusal, State,
        joined::{self, join},
        merge::{Mode, merge},
        price::Fresh,
    },
    error::Error,
    store,
};

const TRIES: u32 = 8;

pub(crate) async fn merge_carts(
    carts: &Carts,
    call: &Call,
    request: MergeCartsRequest,
) -> Result<Response<MergeCartsResponse>, Error> {
    let once = Once::new(call, "carts.v1.CartService/MergeCarts", &request.request_id, &request)?;
    let mode = match request.mode() {
        MergeMode::Unspecified | MergeMode::Max => Mode::Max,
        MergeMode::Sum => Mode::Sum,
        MergeMode::GuestWins => Mode::GuestWins,
        MergeMode::KeepBoth => Mode::KeepBoth,
    };
    let mut v = Violations::new();
    let source = v.parse::<CartId>("source_cart_id", &request.source_cart_id);
    let target = v.parse::<CartId>("target_cart_id", &request.target_cart_id);
    v.check("mode", MergeMode::try_from(request.mode).is_ok(), "must be a known mode");
    v.check("request_id", mode != Mode::Sum || !request.request_id.is_empty(), "must be given for SUM");
    let (source, target) = v.finish_with((source, target))?;
    linked::may_merge(call)?;
    if source == target {
        return Err(Fault::invalid("target_cart_id", "must be another cart than the source").into());
    }
    let mut done = Err(Error::Conflict);
    for _ in 0..TRIES {
        done = attempt(carts, call, &once, source, target, mode).await;
        if !matches!(done, Err(Error::Conflict)) {
            break;
        }
    }
    let done = done.map(|reply| Done { reply, created: None });
    Ok(or_stored(carts, &once, done).await?.reply.into_response())
}

async fn attempt(
    carts: &Carts,
    call: &Call,
    once: &Once,
    source: CartId,
    target: CartId,
    mode: Mode,
) -> Result<Reply<MergeCartsResponse>, Error> {
    // Sessions merges what it identified; everybody else owns both.
    let which = |id| Which { trusted: call.is_from("sessions"), ..Which::cart(Some(id)) };
    let from = find(carts, call, which(source)).await?.ok_or(Error::NoCart(Some(source)))?;
    let into = find(carts, call, which(target)).await?.ok_or(Error::NoCart(Some(target)))?;
    if from.currency != into.currency {
        return Err(Refusal::WrongCurrency(into.currency).into());
    }
    if from.id == into.id {
        // They are one already: once is as good as twice.
        let cart = prices::shown(carts, call, into).await?;
        let reply = omnimesh_kit::once!(carts.deps.db, once, tx => {
            // Nothing changes; only the reply is kept.
            let _ = &mut tx;
            Ok::<MergeCartsResponse, Error>(MergeCartsResponse::of(view::cart_for(call, &cart)))
        })?;
        return Ok(reply);
    }
    let fresh = ask(carts, call, &from, &into, mode).await?;
    omnimesh_kit::once!(carts.deps.db, once, tx => {
        let now = carts.deps.clock.now();
        let how = How { mode, claimed_for: None };
        let cart = merge_in(&mut tx, call, (from.id, into.id), how, fresh.as_ref(), now).await?;
        Ok::<MergeCartsResponse, Error>(MergeCartsResponse::of(view::cart_for(call, &cart)))
    })
}

/// Asks for the prices that the merged cart needs.
pub(crate) async fn ask(
    carts: &Carts,
    call: &Call,
    from: &Cart,
    into: &Cart,
    mode: Mode,
) -> Result<Option<Fresh>, Error> {
    from.expect_active()?;
    into.expect_active()?;
    let mut probe = into.clone();
    merge(&mut probe.body, &from.body, from.id, mode);
    prices::ask(carts, call, &probe).await
}

/// How a cart goes into another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// How lines of the same key become one.
    pub(crate) mode: Mode,
    /// Whose the source is from here on, if it is a guest's that is claimed.
    pub(crate) claimed_for: Option<ProfileId>,
}

/// Merges two carts in the caller's transaction; gives the target.
///
/// # Errors
/// [`Error::Conflict`] if they changed so that other prices are needed, or went on themselves.
pub(crate) async fn merge_in(
    tx: &mut Tx,
    call: &Call,
    (from, into): (CartId, CartId),
    how: How,
    fresh: Option<&Fresh>,
    now: Timestamp,
) -> Result<Cart, Error> {
    let (from, into) = store::pair_locked(tx, from, into).await?.ok_or(Error::Conflict)?;
    let (mut from, mut into) = (from.at(now), into.at(now));
    for cart in [&from, &into] {
        match cart.state {
            State::Merged { .. } => return Err(Error::Conflict),
            _ => cart.expect_active()?,
        }
    }
    from.profile = how.claimed_for.or(from.profile);
    if from.profile.is_some()
        && how.claimed_for.is_some()
        && (into.body.joined.is_some() || into.profile != from.profile)
    {
        // Another of the customer's profiles may get it back one day.
        join(&mut into, &mut from, now)?;
    } else {
        let before = into.body.clone();
        merge(&mut into.body, &from.body, from.id, how.mode);
        joined::note(&before, &mut into.body, into.profile, writer(call));
    }
    prices::requote(&mut into, fresh, now)?;
    from.state = State::Merged { into: into.id };
    let mut after = into.clone();
    after.version += 1;
    let target = Effect::MergedInto(Box::new(view::summary(&after)));
    // The source first: its unique place is free before the target may take it.
    save(tx, call, from, &[target], now).await?;
    save(tx, call, into, &[Effect::Changed], now).await
}
