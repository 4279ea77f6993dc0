//! Tells marketplaces what happened to their orders, each thing once. An action is noted as sent before it is sent; what has no answer
//! is in doubt, and settled by what a pull reads that began after it.

use std::{sync::Arc, time::Duration};

use omnimesh_kit::{call::Call, clock::Timestamp, transaction};
use omnimesh_proto::connectors::v1::{
    AcknowledgeOrderRequest, CancelLinesRequest, CancelReason, GetOperationRequest, NativeLine, OrderRef, Outcome,
    PushShipmentRequest,
};
use tonic::{Code, Status};

use crate::{
    app::App,
    domain::{
        account::Account,
        action::{Action, ActionKind, ActionState, Step, delay},
        unit::Unit,
    },
    error::Error,
    store::{accounts, actions, dead_letters, units},
};

/// For how long an action belongs to its driver: longer than a connector may take.
const LEASE: Duration = Duration::from_secs(60);
/// How often to look for what is due.
const POLL: Duration = Duration::from_millis(200);
/// How often to ask for a vendor's operation, or for the next pull.
const AGAIN: Duration = Duration::from_secs(1);
/// Actions that are sent at the same time.
const DRIVERS: usize = 4;

/// Acts until the process stops.
pub(crate) async fn work(app: Arc<App>) {
    let driver = |_| {
        let app = app.clone();
        async move {
            let token = app.deps.lifecycle.token();
            while token.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
                // What is sent is noted: the process waits for it when it stops.
                while !token.is_cancelled() && next(&app).await {}
            }
        }
    };
    futures::future::join_all((0..DRIVERS).map(driver)).await;
}

/// Drives the next action that is due; whether there was one.
pub(crate) async fn next(app: &App) -> bool {
    let claimed = transaction!(app.deps.db, tx => { actions::claim(&mut tx, LEASE).await.map_err(Error::from) });
    let driven = match claimed {
        Ok(Some(action)) => {
            let id = action.id;
            drive(app, action).await.map_err(|error| (Some(id), error))
        }
        Ok(None) => return false,
        Err(error) => Err((None, error)),
    };
    match driven {
        Ok(()) => true,
        Err((id, error)) => {
            tracing::warn!(action.id = ?id, cause = %error, "an action can't be driven: later again");
            false
        }
    }
}

async fn drive(app: &App, mut action: Action) -> Result<(), Error> {
    let mut conn = app.deps.db.read().await?;
    let account = accounts::by_id(&mut conn, action.account).await?.ok_or(Error::NoSuchAccount)?;
    let units = units::of_order(&mut conn, action.order).await?;
    drop(conn);
    let step = match action.state {
        ActionState::Pending => match prepare(&mut action, &units) {
            Ok(prepared) => match send(app, &account, &mut action, prepared).await? {
                Some(step) => step,
                None => return Ok(()),
            },
            Err(step) => step,
        },
        ActionState::Sent if action.operation_id.is_empty() => {
            Step::Doubt("whoever sent it stopped before the answer".to_owned())
        }
        ActionState::Sent => ask(app, &account, &action).await,
        ActionState::InDoubt => settle(app, &account, &action, &units).await?,
        ActionState::Confirmed | ActionState::Rejected => return Ok(()),
    };
    note(app, &account, action, step).await
}

/// What is sent, about which unit.
struct Prepared {
    unit: Unit,
    lines: Vec<NativeLine>,
    partial: bool,
}

/// What to send as things stand, or what becomes of the action without sending it.
fn prepare(action: &mut Action, units: &[Unit]) -> Result<Prepared, Step> {
    let goods = &action.body.goods;
    match action.kind {
        ActionKind::Acknowledge => {
            let unit = units.iter().find(|unit| unit.native_id == action.body.unit);
            let unit = unit.ok_or_else(|| Step::Reject("its unit is not known any more".to_owned()))?;
            if unit.is_acknowledged() {
                return Err(Step::Confirm);
            }
            if !unit.is_live() {
                return Err(Step::Withdraw("the marketplace ended the unit".to_owned()));
            }
            Ok(Prepared { unit: unit.clone(), lines: unit.native_lines(), partial: false })
        }
        ActionKind::Ship => {
            let holding =
                || units.iter().filter(|unit| unit.is_live()).filter_map(|unit| Some((unit, unit.holding(goods)?)));
            if let Some((unit, (lines, _))) = holding().find(|(unit, (_, all))| *all && !unit.is_shipped()) {
                action.body.split = String::new();
                return Ok(Prepared { unit: unit.clone(), lines, partial: false });
            }
            if holding().any(|(_, (_, all))| all) {
                return Err(Step::Confirm);
            }
            match holding().find(|(unit, _)| !unit.is_shipped()) {
                Some((unit, _)) if unit.native_id == action.body.split => Err(Step::Split),
                Some((unit, (lines, _))) => {
                    action.body.split.clone_from(&unit.native_id);
                    Ok(Prepared { unit: unit.clone(), lines, partial: true })
                }
                None => Err(Step::Reject("no unit of the marketplace holds these goods".to_owned())),
            }
        }
        ActionKind::Cancel => {
            let open = || units.iter().filter(|unit| unit.is_live() && !unit.is_shipped());
            if open().next().is_none() {
                return Err(Step::Withdraw("the marketplace ended the order, or it is shipped".to_owned()));
            }
            let found = open().find_map(|unit| Some((unit, unit.holding(goods)?.0)));
            let (unit, lines) =
                found.ok_or_else(|| Step::Reject("no unit of the marketplace holds these goods".to_owned()))?;
            Ok(Prepared { unit: unit.clone(), lines, partial: false })
        }
    }
}

/// Sends an action; `None` if somebody else has it.
async fn send(app: &App, account: &Account, action: &mut Action, prepared: Prepared) -> Result<Option<Step>, Error> {
    let Prepared { unit, lines, partial } = prepared;
    action.native_id.clone_from(&unit.native_id);
    let noted = transaction!(app.deps.db, tx => { actions::send(&mut tx, action).await.map_err(Error::from) })?;
    if !noted {
        return Ok(None);
    }
    action.tries += 1;
    let call = Call::system(crate::NAME);
    let mut connector = app.connector(account, &call);
    let (credentials_ref, idempotency_key) = (account.credentials_ref(), action.id.to_string());
    let order = Some(OrderRef { native_id: unit.native_id.clone(), group_id: unit.group_id.clone() });
    let answer = match action.kind {
        ActionKind::Acknowledge => {
            let request = AcknowledgeOrderRequest { credentials_ref, idempotency_key, order, lines };
            connector.acknowledge_order(request).await.map(|answer| answer.into_inner().outcome)
        }
        ActionKind::Ship => {
            let body = &action.body;
            // Where the marketplace chose the carrier, it gave the number too.
            let own = |text: &String| if unit.has_carrier { String::new() } else { text.clone() };
            let request = PushShipmentRequest {
                credentials_ref,
                idempotency_key,
                order,
                lines,
                partial,
                invoice_number: body.invoice_number.clone(),
                carrier: own(&body.carrier),
                tracking_number: own(&body.tracking_number),
            };
            connector.push_shipment(request).await.map(|answer| answer.into_inner().outcome)
        }
        ActionKind::Cancel => {
            let reason = if action.body.out_of_stock { CancelReason::OutOfStock } else { CancelReason::Other };
            let request = CancelLinesRequest { credentials_ref, idempotency_key, order, lines, reason: reason.into() };
            connector.cancel_lines(request).await.map(|answer| answer.into_inner().outcome)
        }
    };
    Ok(Some(read(action, answer)))
}

fn read(action: &Action, answer: Result<Option<Outcome>, Status>) -> Step {
    match answer {
        Ok(outcome) => action.answered(outcome.as_ref()),
        // The connector asked the vendor nothing.
        Err(status) if matches!(status.code(), Code::Unimplemented | Code::InvalidArgument) => {
            Step::Reject(status.message().to_owned())
        }
        // It may have reached the connector, and the vendor.
        Err(status) => Step::Doubt(format!("{}: {}", status.code(), status.message())),
    }
}

/// How the vendor's operation stands.
async fn ask(app: &App, account: &Account, action: &Action) -> Step {
    let call = Call::system(crate::NAME);
    let request =
        GetOperationRequest { credentials_ref: account.credentials_ref(), operation_id: action.operation_id.clone() };
    match app.connector(account, &call).get_operation(request).await {
        Ok(answer) => match action.answered(answer.into_inner().outcome.as_ref()) {
            // It was the question that failed, not the operation.
            Step::Retry(..) | Step::Doubt(_) => Step::Wait(action.operation_id.clone()),
            step => step,
        },
        Err(_) => Step::Wait(action.operation_id.clone()),
    }
}

/// Settles what is in doubt by what was read since; until something was, it waits for the next pull.
async fn settle(app: &App, account: &Account, action: &Action, units: &[Unit]) -> Result<Step, Error> {
    let shown = action.sent_at.unwrap_or(action.updated_at).plus(app.settings.settle_after());
    if account.pulled_at.is_none_or(|pulled_at| pulled_at < shown) {
        transaction!(app.deps.db, tx => { accounts::hasten(&mut tx, account.id, shown).await.map_err(Error::from) })?;
        return Ok(Step::Doubt(action.problem.clone()));
    }
    Ok(action.settled_by(units.iter().find(|unit| unit.native_id == action.native_id)))
}

/// Keeps what becomes of an action.
async fn note(app: &App, account: &Account, mut action: Action, step: Step) -> Result<(), Error> {
    let (state, problem, due): (_, _, Option<Duration>) = match step {
        Step::Confirm => (ActionState::Confirmed, String::new(), None),
        Step::Retry(wait, problem) => (ActionState::Pending, problem, Some(wait.max(delay(action.tries)))),
        Step::Split => {
            (ActionState::Pending, "waits for the units in place of the one that was split".to_owned(), Some(AGAIN))
        }
        Step::Wait(operation) => {
            action.operation_id = operation;
            (ActionState::Sent, String::new(), Some(delay(action.tries)))
        }
        Step::Doubt(problem) => (ActionState::InDoubt, problem, Some(AGAIN)),
        Step::Reject(problem) => (ActionState::Rejected, problem, None),
        Step::Withdraw(problem) => (ActionState::Confirmed, problem, None),
    };
    if state != ActionState::Sent {
        action.operation_id = String::new();
    }
    if state != action.state && matches!(state, ActionState::Rejected | ActionState::InDoubt) {
        tracing::warn!(action.id = %action.id, kind = action.kind.as_str(), vendor = account.vendor, state = state.as_str(), "an action is not confirmed");
    }
    (action.state, action.problem) = (state, problem);
    let is_late = |deadline: Timestamp| due.is_some() && deadline < app.now();
    if action.deadline_at.is_some_and(is_late) {
        tracing::warn!(action.id = %action.id, kind = action.kind.as_str(), vendor = account.vendor, "an action is past its deadline");
    }
    transaction!(app.deps.db, tx => {
        let now = tx.now();
        let noted = actions::note(&mut tx, &action, due.map(|wait| now.plus(wait))).await?;
        if noted && action.state == ActionState::Rejected {
            dead_letters::add_action(&mut tx, &action).await?;
        }
        Ok::<_, Error>(())
    })
}
