//! A provider's report. Its natural key is unique for ever: repeating it has one effect.

use omnimesh_kit::{call::Call, clock::Timestamp, error::Fault, idempotency::Reply, transaction, validate::Violations};
use omnimesh_proto::{
    common::v1::ErrorReason,
    orders::v1::{RecordPaymentRequest, RecordPaymentResponse},
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Response};

use super::{lock, save_with_consequences};
use crate::{
    access::visible,
    app::App,
    domain::{Cause, OrderId, OrderState, PaymentEvent, PaymentEventKind},
    error::Error,
    store::{
        orders,
        payments::{self, Recorded, Report},
    },
    wire,
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: RecordPaymentRequest,
) -> Result<Response<RecordPaymentResponse>, Error> {
    let (id, report) = check(app, &request)?;
    let reply = match record(app, call, id, &report).await {
        Ok(reply) => reply,
        // The same report came twice at once, and the other one was first: it is not refused by its own effect.
        Err(error) => known(app, call, id, &report).await?.ok_or(error)?,
    };
    app.wake.notify_one();
    Ok(reply.into_response())
}

fn check(app: &App, request: &RecordPaymentRequest) -> Result<(OrderId, Report), Error> {
    let mut v = Violations::new();
    let id = v.parse::<OrderId>("order_id", &request.order_id);
    let provider = v.text("provider", &request.provider, 1..=64);
    let event_id = v.text("provider_event_id", &request.provider_event_id, 1..=200);
    let kind = PaymentEventKind::from_number(request.kind);
    v.check("kind", kind.is_some(), "must be a known kind of payment event");
    let amount = v.money("amount", request.amount.as_ref());
    let occurred_at = match &request.occur_time {
        None => Some(app.now()),
        Some(time) => {
            let moment = Timestamp::from_proto(time);
            v.check("occur_time", moment.is_some(), "must be a moment of the years 1 to 9999");
            moment
        }
    };
    let (id, provider, event_id, kind, amount, occurred_at) =
        v.finish_with((id, provider, event_id, kind, amount, occurred_at))?;
    let hash = Sha256::digest(request.encode_to_vec()).into();
    Ok((id, Report { provider, event_id, hash, event: PaymentEvent { kind, amount, occurred_at } }))
}

async fn record(app: &App, call: &Call, id: OrderId, report: &Report) -> Result<Reply<RecordPaymentResponse>, Error> {
    if let Some(reply) = known(app, call, id, report).await? {
        return Ok(reply);
    }
    let (order, task) = transaction!(app.deps.db, tx => {
        let mut order = lock(&mut tx, call, id, 0).await?;
        let cause = Cause::of(call, tx.now());
        order.record_payment(&report.event, &cause)?;
        let why = match order.state {
            OrderState::Cancelled => "the payment came after the order was cancelled",
            OrderState::Expired => "the payment came after the order expired",
            _ => "more was paid than is owed",
        };
        let task = save_with_consequences(&mut tx, call, &mut order, why).await?;
        // The order's version numbers its reports: each one changes it.
        payments::insert(&mut tx, &order, order.version, report, task).await?;
        let task = match task {
            Some(task) => payments::task(&mut tx, task).await?,
            None => None,
        };
        Ok::<_, Error>((order, task))
    })?;
    let message =
        RecordPaymentResponse { order: Some(wire::order(&order)), refund_task: task.as_ref().map(wire::refund_task) };
    Ok(Reply { message, replayed: false })
}

/// The answer to a report that is known: the order now, and the refund task that the report raised.
async fn known(
    app: &App,
    call: &Call,
    id: OrderId,
    report: &Report,
) -> Result<Option<Reply<RecordPaymentResponse>>, Error> {
    let mut conn = app.deps.db.read().await?;
    let Some(Recorded { order, hash, refund_task }) =
        payments::find(&mut conn, &report.provider, &report.event_id).await?
    else {
        return Ok(None);
    };
    // Whoever may not know of the order asked for does not learn that the report exists either.
    let found = orders::find(&mut conn, id).await?;
    let asked = visible(&mut conn, call, found).await?;
    if order != id || hash != report.hash {
        let message = "this provider's event was recorded with another content: an event is recorded once, as it was";
        return Err(Fault::new(Code::AlreadyExists, ErrorReason::AlreadyExists, message).into());
    }
    let task = match refund_task {
        Some(task) => payments::task(&mut conn, task).await?,
        None => None,
    };
    let message =
        RecordPaymentResponse { order: Some(wire::order(&asked)), refund_task: task.as_ref().map(wire::refund_task) };
    Ok(Some(Reply { message, replayed: true }))
}
