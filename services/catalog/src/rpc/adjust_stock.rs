//! Adds to or takes from what a location counts.

use omnimesh_kit::{call::Call, idempotency::Once, once, validate::Violations};
use omnimesh_proto::catalog::v1::{AdjustStockRequest, AdjustStockResponse};
use tonic::Response;

use super::{
    State, owned,
    set_stock::{MOST, require_known},
    stock_row,
};
use crate::{
    error::{Error, Lack},
    ledger,
    store::stock,
};

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: AdjustStockRequest,
) -> Result<Response<AdjustStockResponse>, Error> {
    let once = Once::new(call, "catalog.v1.StockService/AdjustStock", &request.request_id, &request)?;
    let mut v = Violations::new();
    let delta = request.delta;
    v.check(
        "delta",
        delta != 0 && (-MOST..=MOST).contains(&delta),
        format!("must be from -{MOST} to {MOST} and not 0"),
    );
    let reason = v.text("reason", &request.reason, 1..=200).unwrap_or_default();
    let (sku, location_id) = stock_row(call, &request.sku, &request.location_id, v)?;
    let reply = once!(state.db, once, tx => {
        owned(&mut tx, call, &location_id).await?;
        require_known(&mut tx, &sku, &location_id).await?;
        let Some(level) = stock::adjust(&mut tx, &sku, &location_id, delta).await? else {
            let available = stock::find(&mut tx, &sku, &location_id).await?.map_or(0, |level| level.on_hand);
            return Err(Error::OutOfStock(vec![Lack { sku: sku.clone(), asked: delta.saturating_neg(), available }]));
        };
        stock::keep_adjustment(&mut tx, &level, delta, &reason, &call.identity().subject).await?;
        ledger::announce(&mut tx, call, &sku, &location_id, level.version).await?;
        Ok(AdjustStockResponse { level: Some(level.to_proto()) })
    })?;
    Ok(reply.into_response())
}
