//! FreezeCart: nothing changes while it is paid.

use omnimesh_kit::{call::Call, clock::Timestamp, error::Fault, idempotency::Once, validate::Violations};
use omnimesh_proto::{
    carts::v1::{FreezeCartRequest, FreezeCartResponse},
    common::v1::ErrorReason,
};
use tonic::Response;

use super::{
    Carts,
    change::{Edit, Effect, change},
    find::Which,
};
use crate::{
    domain::{Cart, Refusal, State, freeze},
    error::Error,
};

/// The service that places orders.
pub(crate) const ORDERS: &str = "orders";

pub(crate) async fn freeze_cart(
    carts: &Carts,
    call: &Call,
    request: FreezeCartRequest,
) -> Result<Response<FreezeCartResponse>, Error> {
    let once = Once::new(call, "carts.v1.CartService/FreezeCart", &request.request_id, &request)?;
    let trusted = call.is_from(ORDERS);
    let mut v = Violations::new();
    let id = v.parse_optional("cart_id", &request.cart_id);
    let expected = v.range("expected_version", request.expected_version, 1..=i64::MAX);
    let order = order(&mut v, &request.order_id);
    let (id, expected, order) = v.finish_with((id, expected, order))?;
    may_name(call, order.as_deref())?;
    let edit = FreezeCart { expected, order };
    let which = Which { trusted, ..Which::cart(id) };
    Ok(change(carts, call, &once, which, None, &edit).await?.reply.into_response())
}

/// The order that is named, if one is.
pub(crate) fn order(v: &mut Violations, order: &str) -> Option<Option<String>> {
    if order.is_empty() { Some(None) } else { v.text("order_id", order, 1..=64).map(Some) }
}

/// Only orders speaks for an order.
pub(crate) fn may_name(call: &Call, order: Option<&str>) -> Result<(), Fault> {
    if order.is_none() || call.is_from(ORDERS) {
        return Ok(());
    }
    Err(Fault::denied(ErrorReason::AudienceDenied, "order_id must be empty: only the service orders may name an order"))
}

struct FreezeCart {
    expected: i64,
    order: Option<String>,
}

impl Edit for FreezeCart {
    fn apply(&self, cart: &mut Cart, now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        let changed = freeze::freeze(cart, self.expected, self.order.as_deref(), now)?;
        Ok(if changed { vec![Effect::Changed] } else { Vec::new() })
    }

    fn check(&self, cart: &Cart) -> Result<(), Refusal> {
        let gaps = freeze::gaps(cart);
        let ordered = matches!(cart.state, State::Ordered { .. });
        if ordered || gaps.is_empty() { Ok(()) } else { Err(Refusal::Incomplete(gaps)) }
    }
}
