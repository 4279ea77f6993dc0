//! A product.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::catalog::v1::{GetProductRequest, GetProductResponse};
use tonic::Response;

use super::{State, shown_to};
use crate::{domain::check, error::Error, store::products};

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: GetProductRequest,
) -> Result<Response<GetProductResponse>, Error> {
    let mut v = Violations::new();
    let sku = check::sku(&mut v, "sku", &request.sku);
    let (sku,) = v.finish_with((sku,))?;
    let mut conn = state.db.read().await?;
    let kept = products::find(&mut conn, &sku).await?.ok_or(Error::NotFound("product", sku))?;
    let product = kept.product.to_proto(kept.version, Some(kept.updated_at));
    Ok(Response::new(GetProductResponse { product: Some(shown_to(call, product)) }))
}
