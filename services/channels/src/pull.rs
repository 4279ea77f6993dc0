//! Pulls orders of each account in turn. A page is imported by orders first; then one transaction here keeps what it says and moves
//! the cursor. A crash in between repeats the page: orders knows its documents, and this service its units.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::stream;
use omnimesh_kit::{call::Call, clock::Timestamp, error::Fault, transaction};
use omnimesh_proto::{
    connectors::v1::{
        ChannelOrder, ChannelOrderState as State, Lane, PullOrdersRequest, PullOrdersResponse, VendorError,
    },
    orders::v1::{
        ImportDocument, ImportOrdersRequest, ImportOrdersResponse, ImportOutcome,
        order_service_client::OrderServiceClient,
    },
};

use crate::{
    app::App,
    domain::{
        OrderId,
        account::Account,
        action::{ActionKind, Body, delay, kind_name},
        document::document,
        unit::{Mode, Unit, updated_at},
    },
    error::Error,
    store::{accounts, actions, actions::NewAction, dead_letters, looks, units},
};

/// For how long an account belongs to its puller, from each page on.
const LEASE: Duration = Duration::from_secs(120);
/// How long a page may take. Within the lease.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look for accounts that are due.
const POLL: Duration = Duration::from_millis(500);
/// Pages of one pull; the next goes on from there.
const PAGES: i32 = 20;

/// Pulls until the process stops.
pub(crate) async fn work(app: Arc<App>) {
    let token = app.deps.lifecycle.token();
    while token.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
        while token.run_until_cancelled(next(&app)).await == Some(true) {}
    }
}

/// Pulls the next account that is due; whether there was one.
pub(crate) async fn next(app: &App) -> bool {
    let claimed = transaction!(app.deps.db, tx => { accounts::claim(&mut tx, LEASE).await.map_err(Error::from) });
    let account = match claimed {
        Ok(Some(account)) => account,
        Ok(None) => return false,
        Err(error) => {
            tracing::warn!(cause = %error, "accounts can't be claimed");
            return false;
        }
    };
    let began = app.now();
    let pulled = pull(app, &account).await;
    let noted = transaction!(app.deps.db, tx => {
        let now = tx.now();
        match &pulled {
            Ok(true) => accounts::pulled(&mut tx, account.id, began, now.plus(app.settings.pull_every())).await?,
            // There is more: at once.
            Ok(false) => accounts::hasten(&mut tx, account.id, now).await?,
            Err(problem) => {
                let wait = delay(account.failures + 1).max(problem.wait);
                accounts::failed(&mut tx, account.id, now.plus(wait), &problem.text).await?;
            }
        }
        Ok::<_, Error>(())
    });
    if let Err(problem) = pulled {
        tracing::warn!(account.id = %account.id, cause = problem.text, "an account can't be pulled: later again");
    }
    if let Err(error) = noted {
        tracing::warn!(account.id = %account.id, cause = %error, "the end of a pull was not noted: it comes again");
    }
    true
}

/// Why a pull stopped, and how long to wait at least.
struct Problem {
    text: String,
    wait: Duration,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { text: Fault::from(error).message().to_owned(), wait: Duration::ZERO }
    }
}

impl From<tonic::Status> for Problem {
    fn from(status: tonic::Status) -> Self {
        Self { text: format!("{}: {}", status.code(), status.message()), wait: Duration::ZERO }
    }
}

impl From<VendorError> for Problem {
    fn from(error: VendorError) -> Self {
        let wait = Duration::from_millis(u64::try_from(error.retry_after_ms).unwrap_or(0));
        Self { text: format!("{}: {}", kind_name(error.kind()), error.message), wait }
    }
}

/// Pulls an account; whether that was all there is.
async fn pull(app: &App, account: &Account) -> Result<bool, Problem> {
    let call = Call::system(crate::NAME);
    let request = PullOrdersRequest {
        credentials_ref: account.credentials_ref(),
        cursor: account.cursor.clone(),
        start_time: None,
        max_pages: PAGES,
        lane: Lane::Import.into(),
    };
    // No limit for the stream as a whole: each page has one.
    let link = app.deps.links.to(&account.vendor, &call).within(LEASE * 20);
    let mut connector = omnimesh_proto::connectors::v1::connector_service_client::ConnectorServiceClient::new(link);
    let mut pages = connector.pull_orders(request).await?.into_inner();
    let mut account = account.clone();
    let mut more = true;
    let too_slow = |_| Problem { text: "the connector takes too long for a page".to_owned(), wait: Duration::ZERO };
    while let Some(page) = tokio::time::timeout(PATIENCE, pages.message()).await.map_err(too_slow)?? {
        if let Some(error) = page.error {
            return Err(error.into());
        }
        more = page.has_more;
        let cursor = page.next_cursor.clone();
        if !keep(app, &call, &account, page).await? {
            // Somebody else pulls it, or it was sent back to an earlier page.
            return Ok(false);
        }
        account.cursor = cursor;
    }
    Ok(!more)
}

/// What becomes of an order of a page.
struct Seen {
    unit: Unit,
    import: Option<ImportDocument>,
    is_news: bool,
}

/// Imports a page and keeps it; `false` if the cursor was moved by somebody else.
pub(crate) async fn keep(app: &App, call: &Call, account: &Account, page: PullOrdersResponse) -> Result<bool, Error> {
    let mut conn = app.deps.db.read().await?;
    let asked = page.orders.iter().flat_map(|order| std::iter::once(&order.native_id).chain(&order.replaces));
    let asked: HashSet<String> = asked.cloned().collect();
    let known = units::known(&mut conn, account.id, asked.into_iter().collect()).await?;
    drop(conn);
    let known: HashMap<&str, &Unit> = known.iter().map(|unit| (unit.native_id.as_str(), unit)).collect();
    let mut dead: Vec<(String, String)> =
        page.unreadable.iter().map(|item| (item.native_id.clone(), item.problem.clone())).collect();
    let mut seen = Vec::new();
    for order in &page.orders {
        match look_at(account, order, &known, app.now()) {
            Ok(Some(one)) => seen.push(one),
            Ok(None) => {}
            Err(problem) => dead.push((order.native_id.clone(), problem)),
        }
    }
    let answers = import(app, call, &seen).await?;
    seen.retain_mut(|one| {
        if one.import.is_none() {
            return true;
        }
        let Some(answer) = answers.get(one.unit.native_id.as_str()) else { return false };
        match answer.outcome() {
            ImportOutcome::Refused | ImportOutcome::Unspecified => {
                dead.push((one.unit.native_id.clone(), answer.refusal.clone()));
                return false;
            }
            ImportOutcome::Conflict => {
                let problem = "it changed in a way that its order can't follow: see the order's conflict";
                dead.push((one.unit.native_id.clone(), problem.to_owned()));
            }
            ImportOutcome::Created | ImportOutcome::Updated | ImportOutcome::Unchanged | ImportOutcome::Stale => {}
        }
        one.unit.order = answer.order_id.parse().ok();
        one.unit.order.is_some()
    });
    transaction!(app.deps.db, tx => {
        if !accounts::keep_cursor(&mut tx, account, page.next_cursor.clone(), LEASE).await? {
            return Ok(false);
        }
        for Seen { unit, is_news, .. } in &seen {
            units::upsert(&mut tx, unit).await?;
            let Some(order) = unit.order.filter(|_| unit.mode != Mode::Record) else { continue };
            if unit.state == State::New {
                // Only now: the order book has it for good.
                actions::add(&mut tx, &acknowledgement(unit, order)).await?;
            }
            if *is_news {
                looks::add(&mut tx, order.0).await?;
            }
        }
        for (native_id, problem) in &dead {
            dead_letters::add_order(&mut tx, account.id, native_id, problem, account.cursor.clone()).await?;
        }
        Ok::<_, Error>(true)
    })
}

fn acknowledgement(unit: &Unit, order: OrderId) -> NewAction {
    NewAction {
        account: unit.account,
        order,
        kind: ActionKind::Acknowledge,
        subject: unit.native_id.clone(),
        body: Body { unit: unit.native_id.clone(), ..Body::default() },
        deadline_at: unit.ship_by_at,
    }
}

/// What an observation says; `None` if it is no news. Its error is for a person.
fn look_at(
    account: &Account,
    order: &ChannelOrder,
    known: &HashMap<&str, &Unit>,
    now: Timestamp,
) -> Result<Option<Seen>, String> {
    let changed = updated_at(order).ok_or("an order without the time of its change")?;
    let state = order.state();
    // It may hold stock at the marketplace, and nothing else may be done with it.
    if state == State::Awaiting {
        return Ok(None);
    }
    let unit = |order_id: Option<OrderId>, mode: Mode| {
        Unit::observed(account.id, order, order_id, mode, now).ok_or("an order without the time of its change")
    };
    let goes_on = matches!(state, State::New | State::Acknowledged | State::Invoiced);
    if let Some(before) = known.get(order.native_id.as_str()) {
        if before.dedupe_key == order.dedupe_key || before.updated_at > changed {
            return Ok(None);
        }
        let unit = unit(before.order, before.mode)?;
        // Its amounts and customer may be others now.
        let import = match before.mode == Mode::Live && goes_on {
            true => Some(document(account.id, order, true)?),
            false => None,
        };
        let is_news = state != before.state;
        return Ok(Some(Seen { unit, import, is_news }));
    }
    let replaced = order.replaces.iter().find_map(|replaced| known.get(replaced.as_str())?.order);
    if let Some(order_id) = replaced {
        return Ok(Some(Seen { unit: unit(Some(order_id), Mode::Replacement)?, import: None, is_news: true }));
    }
    let mode = match state {
        State::New | State::Acknowledged | State::Invoiced => Mode::Live,
        State::Shipped | State::ReadyForPickup | State::Delivered | State::Undelivered | State::Returned => {
            Mode::Record
        }
        State::Cancelled | State::Replaced => Mode::Ignored,
        State::Unspecified | State::Awaiting => {
            return Err(format!("it is in a state that nobody knows: {}", order.raw_state));
        }
    };
    let import = match mode {
        Mode::Ignored | Mode::Replacement => None,
        Mode::Live | Mode::Record => Some(document(account.id, order, mode == Mode::Live)?),
    };
    Ok(Some(Seen { unit: unit(None, mode)?, import, is_news: true }))
}

/// Has orders take the documents; the answer to each, by the unit's id.
async fn import(app: &App, call: &Call, seen: &[Seen]) -> Result<HashMap<String, ImportOrdersResponse>, Error> {
    let documents: Vec<_> = seen.iter().filter_map(|one| one.import.clone()).collect();
    let expected = documents.len();
    if expected == 0 {
        return Ok(HashMap::new());
    }
    let requests = documents.into_iter().map(|document| ImportOrdersRequest { document: Some(document) });
    let mut orders = OrderServiceClient::new(app.deps.links.to("orders", call).within(PATIENCE));
    let mut answers = orders.import_orders(stream::iter(requests)).await.map_err(Fault::upstream)?.into_inner();
    let mut by_unit = HashMap::with_capacity(expected);
    while let Some(answer) = answers.message().await.map_err(Fault::upstream)? {
        by_unit.insert(answer.channel_order_id.clone(), answer);
    }
    if by_unit.len() != expected {
        return Err(Fault::unavailable("orders answered to some documents only").into());
    }
    Ok(by_unit)
}
