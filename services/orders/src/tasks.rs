//! Drives the work at other services that follows from changes: a crash or an unavailable service only delays it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use omnimesh_kit::{call::Call, error::Fault, transaction};
use omnimesh_proto::{
    carts::v1::{ThawCartRequest, cart_service_client::CartServiceClient},
    catalog::v1::{
        ConfirmRequest, ReleaseRequest, ReservationLine, ReserveRequest, stock_service_client::StockServiceClient,
    },
};
use tonic::{Code, Status};

use crate::{
    app::App,
    domain::{Cause, FulfillmentMethod, Group, GroupId, Held, Order, OrderId, OrderState},
    error::Error,
    store::{
        orders,
        tasks::{self, Task, TaskKind},
    },
};

/// For how long a task belongs to its driver.
const LEASE: Duration = Duration::from_secs(30);
/// How often to look without being woken.
const POLL: Duration = Duration::from_secs(1);
const LONGEST_DELAY: u64 = 300;

/// Drives tasks until the process stops.
pub(crate) async fn work(app: Arc<App>) {
    let token = app.deps.lifecycle.token();
    let call = Call::system(crate::NAME);
    loop {
        tokio::select! {
            () = token.cancelled() => return,
            () = app.wake.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
        let due = async { tasks::is_due(&mut app.deps.db.read().await?, app.now()).await };
        match due.await {
            Ok(true) => run(&app, &call, None).await,
            Ok(false) => {}
            Err(error) => tracing::warn!(cause = %error, "tasks can't be read"),
        }
    }
}

/// Drives what is due now, of that order or of all. What fails stays.
pub(crate) async fn run(app: &App, call: &Call, order: Option<OrderId>) {
    let token = app.deps.lifecycle.token();
    while !token.is_cancelled() {
        let claimed =
            transaction!(app.deps.db, tx => { tasks::claim(&mut tx, order, LEASE).await.map_err(Error::from) });
        let task = match claimed {
            Ok(Some(task)) => task,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(cause = %error, "tasks can't be claimed");
                return;
            }
        };
        let done = perform(app, call, &task).await;
        let noted = transaction!(app.deps.db, tx => {
            match &done {
                Ok(()) => tasks::done(&mut tx, task.id).await?,
                Err(_) => tasks::later(&mut tx, task.id, delay(task.tries)).await?,
            }
            Ok::<_, Error>(())
        });
        if let Err(error) = done {
            tracing::warn!(order.id = %task.order, kind = ?task.kind, tries = task.tries, cause = %error, "a task failed: later again");
        }
        if let Err(error) = noted {
            tracing::warn!(order.id = %task.order, cause = %error, "a task's end was not noted: it runs again");
            return;
        }
    }
}

/// 1, 2, 4 … seconds.
fn delay(tries: i64) -> Duration {
    let doublings = u32::try_from(tries.clamp(1, 10) - 1).unwrap_or(0);
    Duration::from_secs(2u64.pow(doublings).min(LONGEST_DELAY))
}

async fn perform(app: &App, call: &Call, task: &Task) -> Result<(), Error> {
    let owner_id = task.order.to_string();
    match task.kind {
        TaskKind::Release => release(app, call, owner_id).await,
        TaskKind::ReleaseGroup => release_group(app, call, task).await,
        TaskKind::Thaw => {
            let request =
                ThawCartRequest { cart_id: task.argument.clone(), order_id: owner_id, request_id: String::new() };
            let answer = CartServiceClient::new(app.link("carts", call)).thaw_cart(request).await;
            // It was not frozen for this order, or is thawed already.
            done_if(answer.map(drop), |code| matches!(code, Code::NotFound | Code::FailedPrecondition))
        }
        TaskKind::Reserve => reserve(app, call, task.order).await,
    }
}

/// Who owns what is reserved for a group that replaces returned goods: the order's own reservation is spent.
pub(crate) fn replacement_owner(order: OrderId, group: GroupId) -> String {
    format!("{order}:{group}")
}

async fn release(app: &App, call: &Call, owner_id: String) -> Result<(), Error> {
    let request = ReleaseRequest { owner_id, allocations: Vec::new(), request_id: String::new() };
    let answer = StockServiceClient::new(app.link("catalog", call)).release(request).await;
    done_if(answer.map(drop), |code| code == Code::NotFound)
}

/// Nobody adds the group once this has begun: see [`tasks::withdraw`].
async fn release_group(app: &App, call: &Call, task: &Task) -> Result<(), Error> {
    let group: GroupId = task.argument.parse().map_err(Fault::internal)?;
    let order = orders::find(&mut app.deps.db.read().await?, task.order).await?;
    if order.is_some_and(|order| order.groups.iter().any(|own| own.id == group)) {
        return Ok(());
    }
    release(app, call, replacement_owner(task.order, group)).await
}

fn done_if(answer: Result<(), Status>, settled: impl Fn(Code) -> bool) -> Result<(), Error> {
    match answer {
        Err(status) if settled(status.code()) => Ok(()),
        answer => Ok(answer.map_err(Fault::upstream)?),
    }
}

/// A marketplace's order gets the stock there is; it is kept in any case.
async fn reserve(app: &App, call: &Call, id: OrderId) -> Result<(), Error> {
    let order = orders::find(&mut app.deps.db.read().await?, id).await?.ok_or(Error::NoSuchOrder)?;
    if order.state != OrderState::Confirmed || !order.groups.is_empty() {
        return Ok(());
    }
    let goods: Vec<_> = order.lines.iter().filter(|line| !line.fee && line.quantity > 0).collect();
    if goods.is_empty() {
        return Ok(());
    }
    let line = |line: &&crate::domain::Line| ReservationLine {
        line_id: line.id.clone(),
        sku: line.sku.clone(),
        quantity: line.quantity,
        location_id: String::new(),
    };
    let request = ReserveRequest {
        owner_id: id.to_string(),
        channel: order.channel,
        lines: goods.iter().map(line).collect(),
        expire_time: None,
        allow_shortfall: true,
    };
    let mut stock = StockServiceClient::new(app.link("catalog", call));
    let answer = stock.reserve(request).await;
    // Unknown SKUs are oversold too: nothing of them is there.
    let reserved = match answer {
        Ok(answer) => answer.into_inner().reservation.unwrap_or_default(),
        Err(status) if matches!(status.code(), Code::FailedPrecondition | Code::NotFound) => Default::default(),
        Err(status) => return Err(Fault::upstream(status).into()),
    };
    if !reserved.allocations.is_empty() {
        stock.confirm(ConfirmRequest { owner_id: id.to_string() }).await.map_err(Fault::upstream)?;
    }
    let now = app.now();
    let mut by_location: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    let mut left: BTreeMap<&str, i64> = goods.iter().map(|line| (line.id.as_str(), line.quantity)).collect();
    for part in &reserved.allocations {
        if let Some(left) = left.get_mut(part.line_id.as_str()) {
            *left -= part.quantity;
            let held = Held { line_id: part.line_id.clone(), quantity: part.quantity };
            by_location.entry(part.location_id.clone()).or_default().push(held);
        }
    }
    let group = |(location, lines)| Group::open(GroupId::new(now), location, FulfillmentMethod::Ship, lines, now);
    let groups: Vec<Group> = by_location.into_iter().map(group).collect();
    let short = |(line_id, quantity): (&str, i64)| Held { line_id: line_id.to_owned(), quantity };
    let shortfall: Vec<Held> = left.into_iter().filter(|(_, left)| *left > 0).map(short).collect();
    allocate(app, call, id, &groups, &shortfall).await
}

async fn allocate(app: &App, call: &Call, id: OrderId, groups: &[Group], shortfall: &[Held]) -> Result<(), Error> {
    if !shortfall.is_empty() {
        tracing::warn!(order.id = %id, lines = shortfall.len(), "an imported order is oversold and on hold");
    }
    transaction!(app.deps.db, tx => {
        let mut order: Order = orders::lock(&mut tx, id).await?.ok_or(Error::NoSuchOrder)?;
        if order.state == OrderState::Confirmed && order.groups.is_empty() {
            let cause = Cause::of(call, tx.now());
            order.allocate(groups.to_vec(), shortfall.to_vec(), GroupId::new(cause.at), &cause)?;
            crate::rpc::save(&mut tx, call, &mut order).await?;
        } else if order.state.is_final() {
            // Cancelled meanwhile: what was just reserved goes back.
            tasks::add(&mut tx, id, TaskKind::Release, "").await?;
        }
        Ok::<_, Error>(())
    })
}
