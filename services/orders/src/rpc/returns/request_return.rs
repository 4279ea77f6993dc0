//! Somebody asks to give goods back: customers what is theirs, staff at one of their stores whatever was bought anywhere.

use omnimesh_kit::{
    call::Call,
    idempotency::{Once, Reply},
    once,
    validate::Violations,
};
use omnimesh_proto::orders::v1::{RequestReturnRequest, RequestReturnResponse};
use tonic::Response;

use super::{check_pieces, known_location, shown};
use crate::{
    access::{Viewer, works_at},
    app::App,
    domain::{Cause, OrderId, ReturnId},
    error::Error,
    store::orders,
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: RequestReturnRequest,
) -> Result<Response<RequestReturnResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<OrderId>("order_id", &request.order_id);
    let pieces = check_pieces(&mut v, &request.lines, 1);
    let reason = v.text("reason", &request.reason, 1..=500);
    let location = v.text("location_id", &request.location_id, 0..=64);
    let (id, reason, location) = v.finish_with((id, reason, location))?;
    let once = Once::new(call, "orders.v1.ReturnService/RequestReturn", &request.request_id, &request)?;
    known_location(app, call, &location).await?;
    let reply: Result<Reply<RequestReturnResponse>, Error> = once!(app.deps.db, once, tx => {
        let mut order = orders::lock(&mut tx, id).await?.ok_or(Error::NoSuchOrder)?;
        Viewer::of(&mut tx, call).await?.may_return(&order, &location)?;
        if !location.is_empty() {
            works_at(call, &location)?;
        }
        let cause = Cause::of(call, tx.now()).because(reason.clone());
        let return_id = ReturnId::new(cause.at);
        order.request_return(return_id, &pieces, &location, &cause)?;
        crate::rpc::save(&mut tx, call, &mut order).await?;
        Ok::<_, Error>(RequestReturnResponse { order_return: Some(shown(&order, return_id)?) })
    });
    Ok(reply?.into_response())
}
