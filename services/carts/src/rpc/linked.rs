//! Sessions that were handed over: they use the cart that came along, and no other; to see it, or to change and order it.
//!
//! Where nothing was in hand yet when somebody handed over, the cart that comes to be is the customer's, or of the guest's session
//! that was handed over, so that both see it. An address or contact of the cart is never shown to them.

use omnimesh_kit::{
    auth::{LinkedScope, SessionLevel},
    call::Call,
    error::Fault,
    ids::SessionId,
};
use omnimesh_proto::common::v1::ErrorReason;

/// What was handed over to the caller; `None` for everybody else.
pub(crate) fn scope(call: &Call) -> Option<LinkedScope> {
    let session = call.session()?;
    match &session.linked {
        Some(scope) => Some(scope.clone()),
        None if session.level == SessionLevel::Linked => {
            Some(LinkedScope { cart: None, owner: None, edit: false, source: None })
        }
        None => None,
    }
}

/// The session whose carts the caller uses: its own, or that of the guest who handed over before there was a cart.
pub(crate) fn lineage(call: &Call) -> Option<SessionId> {
    let session = call.session()?;
    Some(session.linked.as_ref().and_then(LinkedScope::guest).unwrap_or(session.id))
}

/// Whether a client sees the cart only because it was handed over. What a service asks on its behalf is not its answer.
pub(crate) fn sees_only_goods(call: &Call) -> bool {
    call.caller.service.is_none() && scope(call).is_some()
}

/// Only who was handed a cart to change and order it may.
///
/// # Errors
/// NOT_HANDED_OVER.
pub(crate) fn may_change(call: &Call) -> Result<(), Fault> {
    match scope(call) {
        Some(scope) if !scope.edit => Err(denied("the cart was handed over to be seen, not to be changed")),
        _ => Ok(()),
    }
}

/// One cart was handed over: it is not merged with others.
///
/// # Errors
/// NOT_HANDED_OVER.
pub(crate) fn may_merge(call: &Call) -> Result<(), Fault> {
    match scope(call) {
        Some(_) => Err(denied("one cart was handed over: identify the session to merge carts")),
        None => Ok(()),
    }
}

fn denied(message: &str) -> Fault {
    Fault::denied(ErrorReason::NotHandedOver, message)
}
