//! ApplyCoupon: puts a coupon on the cart, or takes all off.

use omnimesh_kit::{call::Call, clock::Timestamp, idempotency::Once, validate::Violations};
use omnimesh_proto::carts::v1::{ApplyCouponRequest, ApplyCouponResponse};
use tonic::Response;

use super::{
    Carts,
    change::{Edit, Effect, change, expect_cart, or_stored},
    find::Which,
};
use crate::{
    domain::{
        Cart, Refusal,
        coupon::{Coupon, canonical_code},
    },
    error::Error,
    store,
};

/// Coupons that a cart may list.
const MAX_COUPONS: usize = 10;

pub(crate) async fn apply_coupon(
    carts: &Carts,
    call: &Call,
    request: ApplyCouponRequest,
) -> Result<Response<ApplyCouponResponse>, Error> {
    let once = Once::new(call, "carts.v1.CartService/ApplyCoupon", &request.request_id, &request)?;
    let mut v = Violations::new();
    let id = v.parse_optional("cart_id", &request.cart_id);
    let expected = v.range("expected_version", request.expected_version, 1..=i64::MAX);
    let (id, expected) = v.finish_with((id, expected))?;
    let which = Which::cart(id);
    let coupon = async {
        expect_cart(carts, call, which).await?;
        known(carts, &request.code).await
    };
    let edit = match coupon.await {
        Ok(coupon) => ApplyCoupon { coupon, expected },
        Err(error) => return Ok(or_stored(carts, &once, Err(error)).await?.reply.into_response()),
    };
    Ok(change(carts, call, &once, which, None, &edit).await?.reply.into_response())
}

/// The coupon of that code; none for the empty code. A malformed code is told as an unknown one: codes are guessed.
async fn known(carts: &Carts, code: &str) -> Result<Option<Coupon>, Error> {
    if code.trim().is_empty() {
        return Ok(None);
    }
    let unknown = || Error::Refusal(Refusal::Coupon("there is no such coupon".to_owned()));
    let code = canonical_code(code).ok_or_else(unknown)?;
    let mut conn = carts.deps.db.read().await?;
    let found = store::coupons_of(&mut conn, vec![code]).await?.pop();
    found.ok_or_else(unknown).map(Some)
}

struct ApplyCoupon {
    coupon: Option<Coupon>,
    expected: i64,
}

impl Edit for ApplyCoupon {
    fn apply(&self, cart: &mut Cart, _now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        cart.expect_active()?;
        cart.expect_version(self.expected)?;
        let coupons = &mut cart.body.coupons;
        match &self.coupon {
            None if coupons.is_empty() => return Ok(Vec::new()),
            None => coupons.clear(),
            Some(coupon) if coupons.iter().any(|own| own.code == coupon.code) => return Ok(Vec::new()),
            Some(_) if coupons.len() >= MAX_COUPONS => {
                return Err(Refusal::Coupon(format!("a cart has at most {MAX_COUPONS}")));
            }
            Some(coupon) => coupons.push(coupon.clone()),
        }
        Ok(vec![Effect::Changed])
    }

    fn check(&self, cart: &Cart) -> Result<(), Refusal> {
        let Some(coupon) = &self.coupon else { return Ok(()) };
        let mut costs = cart.body.coupons.iter().zip(&cart.body.quote.coupons);
        let refusal = costs.find(|(own, _)| own.code == coupon.code).and_then(|(_, cost)| cost.refusal.clone());
        refusal.map_or(Ok(()), |refusal| Err(Refusal::Coupon(refusal)))
    }
}
