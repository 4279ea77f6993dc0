//! ChangeLine: sets the quantity of a line.

use omnimesh_kit::{call::Call, clock::Timestamp, idempotency::Once, validate::Violations};
use omnimesh_proto::carts::v1::{ChangeLineRequest, ChangeLineResponse};
use tonic::Response;

use super::{
    Carts,
    change::{Edit, Effect, change},
    find::Which,
};
use crate::{
    domain::{
        Cart, LineId, Refusal,
        lines::{self, MAX_QUANTITY},
    },
    error::Error,
};

pub(crate) async fn change_line(
    carts: &Carts,
    call: &Call,
    request: ChangeLineRequest,
) -> Result<Response<ChangeLineResponse>, Error> {
    let once = Once::new(call, "carts.v1.CartService/ChangeLine", &request.request_id, &request)?;
    let mut v = Violations::new();
    let id = v.parse_optional("cart_id", &request.cart_id);
    let line = v.parse("line_id", &request.line_id);
    let quantity = v.range("quantity", request.quantity, 1..=MAX_QUANTITY);
    let expected = v.range("expected_version", request.expected_version, 1..=i64::MAX);
    let (id, line, quantity, expected) = v.finish_with((id, line, quantity, expected))?;
    let edit = ChangeLine { line, quantity, expected };
    Ok(change(carts, call, &once, Which::cart(id), None, &edit).await?.reply.into_response())
}

struct ChangeLine {
    line: LineId,
    quantity: i64,
    expected: i64,
}

impl Edit for ChangeLine {
    fn apply(&self, cart: &mut Cart, _now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        cart.expect_active()?;
        cart.expect_version(self.expected)?;
        let changed = lines::change(cart, self.line, self.quantity)?;
        Ok(if changed { vec![Effect::Changed] } else { Vec::new() })
    }
}
