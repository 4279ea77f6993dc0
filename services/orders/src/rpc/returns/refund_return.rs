//! What arrived is settled by money: a refund task of what was paid for these pieces. What was not paid is not owed any more.

use omnimesh_kit::{
    call::Call,
    idempotency::{Once, Reply},
    once,
    validate::Violations,
};
use omnimesh_proto::orders::v1::{RefundReturnRequest, RefundReturnResponse};
use tonic::Response;

use super::{By, ReturnRef, WHY, check_pieces, save_with_consequences, shown};
use crate::{app::App, domain::Cause, error::Error, store::payments};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: RefundReturnRequest,
) -> Result<Response<RefundReturnResponse>, Error> {
    let mut v = Violations::new();
    let pieces = check_pieces(&mut v, &request.lines, 0);
    let named = ReturnRef::check(v, request.return_ref.as_ref())?;
    let once = Once::new(call, "orders.v1.ReturnService/RefundReturn", &named.request_id, &request)?;
    let reply: Result<Reply<RefundReturnResponse>, Error> = once!(app.deps.db, once, tx => {
        let mut order = named.lock(&mut tx, call, By::ItsStore).await?;
        let cause = Cause::of(call, tx.now());
        order.refund_return(named.id, &pieces, request.refund_shipping, &cause)?;
        // Never more than was paid and has not gone back.
        let task = save_with_consequences(&mut tx, call, &mut order, WHY).await?;
        let task = match task {
            Some(task) => payments::task(&mut tx, task).await?,
            None => None,
        };
        Ok::<_, Error>(RefundReturnResponse {
            order_return: Some(shown(&order, named.id)?),
            amount: Some(order.money(task.as_ref().map_or(0, |task| task.amount)).to_proto()),
            refund_task_id: task.map(|task| task.id.to_string()).unwrap_or_default(),
        })
    });
    Ok(reply?.into_response())
}
