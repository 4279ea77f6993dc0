//! The customer, or whoever has the code, collects. The try is counted and committed before anything is compared: it counts
//! even though the call fails, and guesses at the same time count each.

use omnimesh_kit::{
    call::Call,
    idempotency::{Once, Reply},
    once, transaction,
    validate::Violations,
};
use omnimesh_proto::orders::v1::{ConfirmPickupRequest, ConfirmPickupResponse};
use tonic::Response;

use super::{GroupRef, save_with_consequences};
use crate::{
    access::{visible, works_for},
    app::App,
    domain::{Cause, GroupId, GroupStep, OrderId},
    error::Error,
    pickup::{self, TRIES},
    store::{orders, pickups},
    wire,
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ConfirmPickupRequest,
) -> Result<Response<ConfirmPickupResponse>, Error> {
    let mut v = Violations::new();
    v.text("code", &request.code, 1..=64);
    let group = GroupRef::check(v, request.group.as_ref())?;
    let once = Once::new(call, "orders.v1.FulfillmentService/ConfirmPickup", &group.request_id, &request)?;
    if let Some(message) = once.stored::<ConfirmPickupResponse, Error>(&app.deps.db).await? {
        return Ok(Reply { message, replayed: true }.into_response());
    }
    let id = could_collect(app, call, &group).await?;
    check_code(app, group.order, id, &request.code).await?;
    let reply: Result<Reply<ConfirmPickupResponse>, Error> = once!(app.deps.db, once, tx => {
        let (mut order, id) = group.lock(&mut tx, call).await?;
        let cause = Cause::of(call, tx.now());
        order.step_group(id, GroupStep::PickUp, &cause)?;
        save_with_consequences(&mut tx, call, &mut order, "").await?;
        if !pickups::use_up(&mut tx, id).await? {
            return Err(Error::LockedCode);
        }
        Ok::<_, Error>(ConfirmPickupResponse { order: Some(wire::order(&order)) })
    });
    if reply.is_err() {
        transaction!(app.deps.db, tx => { pickups::give_try_back(&mut tx, id).await.map_err(Error::from) })?;
    }
    Ok(reply?.into_response())
}

/// The group, if it could be collected now with the right code: what fails for another reason costs no try.
async fn could_collect(app: &App, call: &Call, group: &GroupRef) -> Result<GroupId, Error> {
    let mut conn = app.deps.db.read().await?;
    let found = orders::find(&mut conn, group.order).await?;
    let mut order = visible(&mut conn, call, found).await?;
    if group.expected_version != 0 && group.expected_version != order.version {
        return Err(Error::Changed { id: order.id.to_string(), current: order.version });
    }
    let found = order.group_named(group.group)?;
    works_for(call, found)?;
    let id = found.id;
    order.step_group(id, GroupStep::PickUp, &Cause::of(call, app.now()))?;
    Ok(id)
}

async fn check_code(app: &App, order: OrderId, group: GroupId, shown: &str) -> Result<(), Error> {
    let kept =
        transaction!(app.deps.db, tx => { pickups::count_try(&mut tx, group, TRIES).await.map_err(Error::from) })?;
    let kept = kept.ok_or(Error::LockedCode)?;
    if pickup::matches(&app.deps.secrets, order, group, &kept, shown) {
        return Ok(());
    }
    Err(Error::WrongCode { left: TRIES - kept.tries })
}
