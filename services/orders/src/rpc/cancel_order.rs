//! Somebody cancels an order: customers until it is packed, the retailer until goods are handed over. Its stock is released
//! and a refund task raised for what was paid.

use omnimesh_kit::{
    call::Call,
    idempotency::{Once, Reply},
    once,
    validate::Violations,
};
use omnimesh_proto::{
    access::v1::Audience,
    orders::v1::{CancelOrderRequest, CancelOrderResponse},
};
use tonic::Response;

use super::{lock, save_with_consequences};
use crate::{
    access::works_for,
    app::App,
    domain::{Cause, OrderId, OrderState},
    error::Error,
    wire,
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: CancelOrderRequest,
) -> Result<Response<CancelOrderResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<OrderId>("order_id", &request.order_id);
    let reason = v.text("reason", &request.reason, 1..=500);
    let version = v.range("expected_version", request.expected_version, 0..=i64::MAX);
    let (id, reason, version) = v.finish_with((id, reason, version))?;
    let by_customer = call.identity().audience() == Audience::Customer;
    let once = Once::new(call, "orders.v1.OrderService/CancelOrder", &request.request_id, &request)?;
    let reply: Result<Reply<CancelOrderResponse>, Error> = once!(app.deps.db, once, tx => {
        let mut order = lock(&mut tx, call, id, version).await?;
        // A draft belongs to the call that places it.
        if order.state == OrderState::Draft {
            return Err(order.state.refuse(OrderState::Cancelled.as_str()).into());
        }
        // Staff decide for their own stores: an order of several needs somebody of all of them.
        order.groups.iter().try_for_each(|group| works_for(call, group))?;
        let cause = Cause::of(call, tx.now()).because(reason.clone());
        order.cancel(by_customer, &cause)?;
        save_with_consequences(&mut tx, call, &mut order, "the order was cancelled").await?;
        Ok::<_, Error>(CancelOrderResponse { order: Some(wire::order(&order)) })
    });
    let reply = reply?;
    if !reply.replayed {
        // The stock is back before the customer sees the answer, if catalog answers; otherwise soon after.
        crate::tasks::run(app, call, Some(id)).await;
    }
    Ok(reply.into_response())
}
