//! GetCart: the whole cart, with prices that stand now.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::carts::v1::{GetCartRequest, GetCartResponse};
use tonic::Response;

use super::{
    Carts,
    find::{Which, find},
    prices, view,
};
use crate::error::Error;

pub(crate) async fn get_cart(
    carts: &Carts,
    call: &Call,
    request: GetCartRequest,
) -> Result<Response<GetCartResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse_optional("cart_id", &request.cart_id);
    let (id,) = v.finish_with((id,))?;
    let cart = find(carts, call, Which::cart(id)).await?.ok_or(Error::NoCart(id))?;
    let cart = prices::shown(carts, call, cart).await?;
    Ok(Response::new(GetCartResponse { cart: Some(view::cart_for(call, &cart)) }))
}
