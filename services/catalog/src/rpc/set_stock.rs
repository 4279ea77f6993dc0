//! Sets what a location counts.

use omnimesh_kit::{call::Call, idempotency::Once, once, validate::Violations};
use omnimesh_proto::catalog::v1::{SetStockRequest, SetStockResponse};
use tonic::Response;

use super::{State, owned, stock_row};
use crate::{error::Error, ledger, store::stock};

/// The most of anything on one shelf.
pub(super) const MOST: i64 = 1_000_000_000;

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: SetStockRequest,
) -> Result<Response<SetStockResponse>, Error> {
    let once = Once::new(call, "catalog.v1.StockService/SetStock", &request.request_id, &request)?;
    let mut v = Violations::new();
    v.range("on_hand", request.on_hand, 0..=MOST);
    v.range("safety", request.safety.unwrap_or(0), 0..=MOST);
    v.range("expected_version", request.expected_version, 0..=i64::MAX);
    let (sku, location_id) = stock_row(call, &request.sku, &request.location_id, v)?;
    let expected = Some(request.expected_version).filter(|version| *version > 0);
    let reply = once!(state.db, once, tx => {
        owned(&mut tx, call, &location_id).await?;
        require_known(&mut tx, &sku, &location_id).await?;
        let set = stock::set(&mut tx, (&sku, &location_id), request.on_hand, request.safety, expected).await?;
        let Some(level) = set else {
            let current = stock::find(&mut tx, &sku, &location_id).await?.map_or(0, |level| level.version);
            return Err(Error::Stale { id: format!("stock:{sku}:{location_id}"), current });
        };
        ledger::announce(&mut tx, call, &sku, &location_id, level.version).await?;
        Ok(SetStockResponse { level: Some(level.to_proto()) })
    })?;
    Ok(reply.into_response())
}

/// Stock is kept of known products at known locations.
pub(super) async fn require_known(tx: &mut omnimesh_kit::store::Tx, sku: &str, location_id: &str) -> Result<(), Error> {
    match stock::known(tx, sku, location_id).await? {
        (true, true) => Ok(()),
        (false, _) => Err(Error::NotFound("product", sku.to_owned())),
        (true, false) => Err(Error::NotFound("location", location_id.to_owned())),
    }
}
