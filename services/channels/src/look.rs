//! Looks at orders that changed: what their marketplace has to be told becomes actions, and an order that its marketplace cancelled is
//! cancelled. Reading the order, not the event, makes it the same however often and however late it happens.

use std::{sync::Arc, time::Duration};

use omnimesh_kit::{call::Call, error::Fault, transaction};
use omnimesh_proto::{
    connectors::v1::ChannelOrderState as State,
    orders::v1::{
        CancelOrderRequest, GetOrderRequest, Order, OrderState, get_order_request::Key,
        order_service_client::OrderServiceClient,
    },
};
use tonic::Code;

use crate::{
    app::App,
    domain::{
        OrderId,
        action::delay,
        plan::plan,
        unit::{Mode, Unit},
    },
    error::Error,
    store::{
        accounts, actions,
        actions::NewAction,
        dead_letters,
        looks::{self, Look},
        units,
    },
};

/// For how long a look belongs to its driver.
const LEASE: Duration = Duration::from_secs(30);
/// How often to look for what is due.
const POLL: Duration = Duration::from_millis(200);
/// What an order is cancelled with that its marketplace cancelled.
const REASON: &str = "CANCELLED_BY_MARKETPLACE";

/// Looks until the process stops.
pub(crate) async fn work(app: Arc<App>) {
    let token = app.deps.lifecycle.token();
    while token.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
        while token.run_until_cancelled(next(&app)).await == Some(true) {}
    }
}

/// Looks at the next order that is due; whether there was one.
pub(crate) async fn next(app: &App) -> bool {
    let claimed = transaction!(app.deps.db, tx => { looks::claim(&mut tx, LEASE).await.map_err(Error::from) });
    let look = match claimed {
        Ok(Some(look)) => look,
        Ok(None) => return false,
        Err(error) => {
            tracing::warn!(cause = %error, "orders that changed can't be read");
            return false;
        }
    };
    let looked = look_at(app, look).await;
    let noted = transaction!(app.deps.db, tx => {
        match &looked {
            Ok(true) => looks::done(&mut tx, look).await?,
            Ok(false) | Err(_) => looks::later(&mut tx, look, delay(look.tries)).await?,
        }
        Ok::<_, Error>(())
    });
    if let Err(error) = looked {
        tracing::warn!(order.id = %look.order, cause = %error, "an order that changed can't be looked at: later again");
    }
    if let Err(error) = noted {
        tracing::warn!(order.id = %look.order, cause = %error, "a look's end was not noted: it comes again");
    }
    true
}

/// `false` if it is too early to say.
async fn look_at(app: &App, look: Look) -> Result<bool, Error> {
    let call = Call::system(crate::NAME);
    let mut orders = OrderServiceClient::new(app.deps.links.to("orders", &call).idempotent());
    let request = GetOrderRequest { key: Some(Key::OrderId(look.order.to_string())) };
    let order = orders.get_order(request).await.map_err(Fault::upstream)?.into_inner().order;
    let order = order.ok_or_else(|| Fault::internal("orders answered without the order"))?;
    let units = transaction!(app.deps.db, tx => {
        let units = units::of_order(&mut tx, look.order).await?;
        let told = actions::of_order(&mut tx, look.order).await?;
        let Some(first) = units.first() else { return Ok(units) };
        for (kind, subject, body) in plan(&order, &units, &told) {
            let deadline_at = units.iter().filter_map(|unit| unit.ship_by_at).min();
            let new = NewAction { account: first.account, order: look.order, kind, subject, body, deadline_at };
            actions::add(&mut tx, &new).await?;
        }
        Ok::<_, Error>(units)
    })?;
    match is_over(&order, &units) {
        true => end(app, &call, look.order, &units).await,
        false => Ok(true),
    }
}

/// Whether the marketplace cancelled all of an order that goes on here.
fn is_over(order: &Order, units: &[Unit]) -> bool {
    let goes_on = matches!(order.state(), OrderState::Confirmed | OrderState::Placed);
    let is_ours = units.iter().any(|unit| unit.mode == Mode::Live);
    goes_on
        && is_ours
        && units.iter().all(|unit| !unit.is_live())
        && units.iter().any(|unit| unit.state == State::Cancelled)
}

async fn end(app: &App, call: &Call, order: OrderId, units: &[Unit]) -> Result<bool, Error> {
    let (Some(unit), Some(seen_at)) = (units.first(), units.iter().map(|unit| unit.seen_at).max()) else {
        return Ok(true);
    };
    // What is left of a unit that was cancelled in part is a unit of its own, which may be on the next page.
    let account = accounts::by_id(&mut app.deps.db.read().await?, unit.account).await?.ok_or(Error::NoSuchAccount)?;
    if account.pulled_at.is_none_or(|pulled_at| pulled_at <= seen_at) {
        return Ok(false);
    }
    let request = CancelOrderRequest {
        order_id: order.to_string(),
        reason: REASON.to_owned(),
        expected_version: 0,
        request_id: order.0.to_string(),
    };
    let mut orders = OrderServiceClient::new(app.deps.links.to("orders", call).idempotent());
    match orders.cancel_order(request).await {
        Ok(_) => Ok(true),
        Err(status) if status.code() == Code::FailedPrecondition => {
            let problem = format!("the marketplace cancelled it, and the order can't be: {}", status.message());
            transaction!(app.deps.db, tx => {
                let cursor = account.cursor.clone();
                dead_letters::add_order(&mut tx, account.id, &unit.native_id, &problem, cursor).await?;
                Ok::<_, Error>(true)
            })
        }
        Err(status) => Err(Fault::upstream(status).into()),
    }
}
