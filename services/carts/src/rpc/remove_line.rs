//! RemoveLine.

use omnimesh_kit::{call::Call, clock::Timestamp, idempotency::Once, validate::Violations};
use omnimesh_proto::carts::v1::{RemoveLineRequest, RemoveLineResponse};
use tonic::Response;

use super::{
    Carts,
    change::{Edit, Effect, change},
    find::Which,
};
use crate::{
    domain::{Cart, LineId, Refusal, lines},
    error::Error,
};

pub(crate) async fn remove_line(
    carts: &Carts,
    call: &Call,
    request: RemoveLineRequest,
) -> Result<Response<RemoveLineResponse>, Error> {
    let once = Once::new(call, "carts.v1.CartService/RemoveLine", &request.request_id, &request)?;
    let mut v = Violations::new();
    let id = v.parse_optional("cart_id", &request.cart_id);
    let line = v.parse("line_id", &request.line_id);
    let expected = v.range("expected_version", request.expected_version, 1..=i64::MAX);
    let (id, line, expected) = v.finish_with((id, line, expected))?;
    let edit = RemoveLine { line, expected };
    Ok(change(carts, call, &once, Which::cart(id), None, &edit).await?.reply.into_response())
}

struct RemoveLine {
    line: LineId,
    expected: i64,
}

impl Edit for RemoveLine {
    fn apply(&self, cart: &mut Cart, _now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        cart.expect_active()?;
        cart.expect_version(self.expected)?;
        lines::remove(cart, self.line)?;
        Ok(vec![Effect::Changed])
    }
}
