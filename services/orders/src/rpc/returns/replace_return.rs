//! What arrived is settled by the same goods again: a new group of the order, at no cost. Its stock is reserved before the order
//! changes, under an owner of its own; should the change not come about, a task written before gives the stock back.

use std::{sync::Arc, time::Duration};

use omnimesh_kit::{
    call::Call,
    error::Fault,
    idempotency::{Once, Reply},
    once, transaction,
    validate::Violations,
};
use omnimesh_proto::{
    catalog::v1::{ConfirmRequest, ReservationLine, ReserveRequest, stock_service_client::StockServiceClient},
    common::v1::Channel,
    orders::v1::{ReplaceReturnRequest, ReplaceReturnResponse},
};
use tonic::{Response, Status};
use uuid::Uuid;

use super::{By, ReturnRef, WHY, check_pieces, save_with_consequences, shown};
use crate::{
    access::works_at,
    app::App,
    domain::{Cause, FulfillmentMethod, Group, GroupId, Held, Order, ReturnStep},
    error::Error,
    saga,
    store::{tasks, tasks::TaskKind},
    tasks::replacement_owner,
    wire,
};

/// After so long what was reserved for a group that never came to be is given back.
const GUARD: Duration = Duration::from_secs(60);

pub(super) async fn run(
    app: &Arc<App>,
    call: &Call,
    request: ReplaceReturnRequest,
) -> Result<Response<ReplaceReturnResponse>, Error> {
    let (app, call) = (app.clone(), Call { deadline: None, ..call.clone() });
    let lifecycle = app.deps.lifecycle.clone();
    // A caller who hangs up does not cut it between reserving and replacing.
    lifecycle.finish(async move { replace(&app, &call, &request).await }).await.map(Reply::into_response)
}

async fn replace(
    app: &App,
    call: &Call,
    request: &ReplaceReturnRequest,
) -> Result<Reply<ReplaceReturnResponse>, Error> {
    let mut v = Violations::new();
    let pieces = check_pieces(&mut v, &request.lines, 0);
    let location = v.text("location_id", &request.location_id, 1..=64);
    let named = ReturnRef::check(v, request.return_ref.as_ref())?;
    let location = location.unwrap_or_default();
    let once = Once::new(call, "orders.v1.ReturnService/ReplaceReturn", &named.request_id, request)?;
    if let Some(message) = once.stored::<ReplaceReturnResponse, Error>(&app.deps.db).await? {
        return Ok(Reply { message, replayed: true });
    }
    let order = named.read(&mut app.deps.db.read().await?, call, By::ItsStore).await?;
    works_at(call, &location)?;
    order.return_of(named.id)?.allows(ReturnStep::Replace)?;
    let held = order.pieces_of(named.id, &pieces)?;
    let group = new_group(app, call, &order, location, held).await?;
    let guard = transaction!(app.deps.db, tx => {
        tasks::add_later(&mut tx, order.id, TaskKind::ReleaseGroup, &group.id.to_string(), GUARD)
            .await
            .map_err(Error::from)
    })?;
    let reserved = reserve(app, call, &order, &group).await;
    let reply: Result<Reply<ReplaceReturnResponse>, Error> = match reserved {
        Err(status) => Err(Fault::upstream(status).into()),
        Ok(()) => once!(app.deps.db, once, tx => {
            let mut order = named.lock(&mut tx, call, By::ItsStore).await?;
            // Somebody else settled some of it meanwhile, or the stock is being given back already.
            if order.pieces_of(named.id, &pieces)? != group.lines || !tasks::withdraw(&mut tx, guard).await? {
                return Err(Error::Contention);
            }
            let cause = Cause::of(call, tx.now());
            order.replace_return(named.id, group.clone(), &cause)?;
            save_with_consequences(&mut tx, call, &mut order, WHY).await?;
            let order_return = Some(shown(&order, named.id)?);
            Ok::<_, Error>(ReplaceReturnResponse { order_return, order: Some(wire::order(&order)) })
        }),
    };
    if !matches!(&reply, Ok(reply) if !reply.replayed) {
        undo(app, call, &order, guard).await;
    }
    reply
}

/// Shipped to where the order went; collected in the store if it went nowhere.
async fn new_group(app: &App, call: &Call, order: &Order, location: String, lines: Vec<Held>) -> Result<Group, Error> {
    let now = app.now();
    let ship = order.shipping_address.is_some();
    let method = if ship { FulfillmentMethod::Ship } else { FulfillmentMethod::Pickup };
    let store = match method {
        FulfillmentMethod::Ship => None,
        FulfillmentMethod::Pickup => Some(saga::snapshot(app, call, &location).await.map_err(Fault::upstream)?),
    };
    Ok(Group { store, ..Group::open(GroupId::new(now), location, method, lines, now) })
}

/// Every piece or none, at that location, whichever channels sell from it.
async fn reserve(app: &App, call: &Call, order: &Order, group: &Group) -> Result<(), Status> {
    let owner_id = replacement_owner(order.id, group.id);
    let sku = |line_id: &str| order.lines.iter().find(|line| line.id == line_id).map(|line| line.sku.clone());
    let line = |held: &Held| ReservationLine {
        line_id: held.line_id.clone(),
        sku: sku(&held.line_id).unwrap_or_default(),
        quantity: held.quantity,
        location_id: group.location_id.clone(),
    };
    let request = ReserveRequest {
        owner_id: owner_id.clone(),
        channel: Channel::Unspecified.into(),
        lines: group.lines.iter().map(line).collect(),
        expire_time: None,
        allow_shortfall: false,
    };
    let mut stock = StockServiceClient::new(app.link("catalog", call));
    stock.reserve(request).await?;
    stock.confirm(ConfirmRequest { owner_id }).await?;
    Ok(())
}

/// What was reserved is given back now, if catalog answers, and otherwise soon after.
async fn undo(app: &App, call: &Call, order: &Order, guard: Uuid) {
    let due = transaction!(app.deps.db, tx => {
        tasks::later(&mut tx, guard, Duration::ZERO).await.map_err(Error::from)
    });
    match due {
        Ok(()) => crate::tasks::run(app, call, Some(order.id)).await,
        Err(error) => tracing::warn!(cause = %error, "what was reserved is given back later"),
    }
}
