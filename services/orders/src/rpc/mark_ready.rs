//! The goods wait in the store: one notice, and the one-time code that hands them over.

use omnimesh_kit::{
    call::Call,
    idempotency::{Once, Reply},
    once,
    validate::Violations,
};
use omnimesh_proto::orders::v1::{MarkReadyRequest, MarkReadyResponse};
use tonic::Response;

use super::{GroupRef, save_with_consequences};
use crate::{
    app::App,
    domain::{Cause, GroupStep},
    error::Error,
    pickup::PickupCode,
    store::pickups,
    wire,
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: MarkReadyRequest,
) -> Result<Response<MarkReadyResponse>, Error> {
    let group = GroupRef::check(Violations::new(), request.group.as_ref())?;
    let once = Once::new(call, "orders.v1.FulfillmentService/MarkReady", &group.request_id, &request)?;
    let reply: Result<Reply<MarkReadyResponse>, Error> = once!(app.deps.db, once, tx => {
        let (mut order, id) = group.lock(&mut tx, call).await?;
        let cause = Cause::of(call, tx.now());
        order.step_group(id, GroupStep::MarkReady, &cause)?;
        order.set_pickup_expiry(id, cause.at.plus(app.settings.pickup_time()))?;
        save_with_consequences(&mut tx, call, &mut order, "").await?;
        let code = PickupCode::random();
        let kept = code.kept(&app.deps.secrets, order.id, id);
        pickups::insert(&mut tx, order.id, id, &kept, code.seal(&app.deps.secrets, id)).await?;
        Ok::<_, Error>(MarkReadyResponse { order: Some(wire::order(&order)) })
    });
    Ok(reply?.into_response())
}
