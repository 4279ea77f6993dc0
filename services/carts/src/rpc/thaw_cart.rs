//! ThawCart: a frozen cart becomes active again.

use omnimesh_kit::{call::Call, clock::Timestamp, idempotency::Once, validate::Violations};
use omnimesh_proto::carts::v1::{ThawCartRequest, ThawCartResponse};
use tonic::Response;

use super::{
    Carts,
    change::{Edit, Effect, change},
    find::Which,
    freeze_cart::{ORDERS, may_name, order},
};
use crate::{
    domain::{Cart, Refusal, freeze},
    error::Error,
};

pub(crate) async fn thaw_cart(
    carts: &Carts,
    call: &Call,
    request: ThawCartRequest,
) -> Result<Response<ThawCartResponse>, Error> {
    let once = Once::new(call, "carts.v1.CartService/ThawCart", &request.request_id, &request)?;
    let mut v = Violations::new();
    let id = v.parse_optional("cart_id", &request.cart_id);
    let order = order(&mut v, &request.order_id);
    let (id, order) = v.finish_with((id, order))?;
    may_name(call, order.as_deref())?;
    let which = Which { trusted: call.is_from(ORDERS), ..Which::cart(id) };
    Ok(change(carts, call, &once, which, None, &ThawCart { order }).await?.reply.into_response())
}

struct ThawCart {
    order: Option<String>,
}

impl Edit for ThawCart {
    fn apply(&self, cart: &mut Cart, _now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        let changed = freeze::thaw(cart, self.order.as_deref())?;
        Ok(if changed { vec![Effect::Changed] } else { Vec::new() })
    }
}
