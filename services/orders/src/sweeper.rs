//! Ends what somebody left: drafts are driven on or cancelled, unpaid orders expire.

use std::{sync::Arc, time::Duration};

use omnimesh_kit::{call::Call, error::Fault, transaction};

use crate::{
    app::App,
    domain::{Cause, OrderId, OrderState},
    error::Error,
    saga::{self, Step},
    store::{orders, tasks, tasks::TaskKind},
};

/// Sweeps until the process stops.
pub(crate) async fn work(app: Arc<App>) {
    let token = app.deps.lifecycle.token();
    loop {
        tokio::select! {
            () = token.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(app.settings.sweep_seconds.max(1))) => {}
        }
        if let Err(error) = sweep(&app).await {
            tracing::warn!(cause = %error, "a sweep was cut short");
        }
    }
}

/// One round.
pub(crate) async fn sweep(app: &App) -> Result<(), Error> {
    let call = Call::system(crate::NAME);
    let now = app.now();
    let (drafts, unpaid) = {
        let mut conn = app.deps.db.read().await?;
        let drafts = orders::stale_drafts(&mut conn, now, now.minus(app.settings.draft_time())).await?;
        (drafts, orders::unpaid(&mut conn, now).await?)
    };
    for id in drafts {
        if let Err(error) = end_draft(app, &call, id).await {
            tracing::info!(order.id = %id, cause = %error, "a draft ended or waits");
        }
    }
    for id in unpaid {
        expire(app, &call, id).await?;
    }
    Ok(())
}

/// Drives a draft forward; cancels it once it has been tried for long enough.
async fn end_draft(app: &App, call: &Call, id: OrderId) -> Result<(), Error> {
    let until = app.now().plus(app.settings.draft_time());
    let claimed =
        transaction!(app.deps.db, tx => { orders::claim_draft(&mut tx, id, until).await.map_err(Error::from) })?;
    let draft = if claimed { orders::find(&mut app.deps.db.read().await?, id).await? } else { None };
    let Some(draft) = draft else { return Ok(()) };
    match saga::drive(app, call, &draft, Step::Place).await {
        Ok(_) | Err(Error::Placing(_)) => Ok(()),
        Err(error) if app.now().since(draft.created_at) > Duration::from_secs(app.settings.draft_abandon_seconds) => {
            let fault = Fault::unavailable("the order could not be placed: the cart is open again, try once more");
            saga::give_up(app, call, id, &fault.into()).await?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// An order that was not paid in time gives its stock back.
async fn expire(app: &App, call: &Call, id: OrderId) -> Result<(), Error> {
    transaction!(app.deps.db, tx => {
        let mut order = orders::lock(&mut tx, id).await?.ok_or(Error::NoSuchOrder)?;
        let now = tx.now();
        let due = order.payment_expires_at.is_some_and(|expires_at| expires_at <= now);
        if order.state == OrderState::Placed && due {
            order.expire(&Cause::of(call, now).because("NOT_PAID_IN_TIME"))?;
            crate::rpc::save(&mut tx, call, &mut order).await?;
            crate::store::payments::settle_refunds(&mut tx, &order, "the order expired").await?;
            tasks::add(&mut tx, id, TaskKind::Release, "").await?;
        }
        Ok::<_, Error>(())
    })?;
    app.wake.notify_one();
    Ok(())
}
