//! The payment ledger and the refund tasks.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    store::{Conn, Error, Row, Tx},
};
use uuid::Uuid;

use crate::domain::{Order, OrderId, PaymentEvent, RefundTaskId};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// A report by its natural key.
        FIND = "SELECT order_id, body_hash, refund_task_id FROM payments WHERE provider = $1 AND provider_event_id = $2";
        /// A report, unless it is known.
        INSERT = "INSERT INTO payments (provider, provider_event_id, order_id, sequence, kind, amount, currency, body_hash, \
            refund_task_id, occurred_at, recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        /// The reports on an order, as they came.
        LEDGER = "SELECT kind, amount, currency, occurred_at FROM payments WHERE order_id = $1 ORDER BY sequence LIMIT 10000";
        /// Refunds of an order that are still to be made, oldest first.
        OPEN_TASKS = "SELECT id, amount_left FROM refund_tasks WHERE order_id = $1 AND amount_left > 0 ORDER BY id LIMIT 10000";
        /// A refund to make.
        ADD_TASK = "INSERT INTO refund_tasks (id, order_id, amount, amount_left, currency, reason, created_at) \
            VALUES ($1, $2, $3, $3, $4, $5, $6)";
        /// What is left of one.
        SET_TASK = "UPDATE refund_tasks SET amount_left = $2 WHERE id = $1";
        /// One task.
        TASK = "SELECT id, order_id, amount, amount_left, currency, reason, created_at FROM refund_tasks WHERE id = $1";
        /// A page of what is still to be refunded, oldest first.
        TASKS = "SELECT id, order_id, amount, amount_left, currency, reason, created_at FROM refund_tasks \
            WHERE amount_left > 0 AND id > $1 ORDER BY id LIMIT $2";
    }
}

/// A report as its natural key finds it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The order.
    pub order: OrderId,
    /// Of the request that recorded it.
    pub hash: [u8; 32],
    /// The refund task that it raised.
    pub refund_task: Option<RefundTaskId>,
}

/// A refund that somebody has to make.
#[derive(Clone, Debug)]
pub struct RefundTask {
    /// Its id.
    pub id: RefundTaskId,
    /// The order.
    pub order: OrderId,
    /// How much, micro-units.
    pub amount: i64,
    /// How much of it is still to be made.
    pub left: i64,
    /// The currency.
    pub currency: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// The natural key of a report, and what was reported.
#[derive(Clone, Debug)]
pub struct Report {
    /// The provider.
    pub provider: String,
    /// Its own id of the event.
    pub event_id: String,
    /// Of the request.
    pub hash: [u8; 32],
    /// What happened.
    pub event: PaymentEvent,
}

/// A report that is known.
///
/// # Errors
/// Whatever the database says.
pub async fn find(conn: &mut Conn, provider: &str, event_id: &str) -> Result<Option<Recorded>, Error> {
    let row = conn.fetch_optional(sql::FIND, args![provider, event_id]).await?;
    row.map(|row| {
        let refund_task: Option<Uuid> = row.get("refund_task_id")?;
        Ok(Recorded {
            order: OrderId(row.get("order_id")?),
            hash: row.get("body_hash")?,
            refund_task: refund_task.map(RefundTaskId),
        })
    })
    .transpose()
}

/// Keeps a report. The order's lock makes the sequence its own.
///
/// # Errors
/// Whatever the database says; a unique violation if the report is known.
pub async fn insert(
    tx: &mut Tx,
    order: &Order,
    sequence: i64,
    report: &Report,
    task: Option<RefundTaskId>,
) -> Result<(), Error> {
    let now = tx.now();
    let event = &report.event;
    let values = args![
        &report.provider,
        &report.event_id,
        order.id.0,
        sequence,
        event.kind.as_str(),
        event.amount.micros,
        event.amount.currency.code(),
        report.hash,
        task.map(|task| task.0),
        event.occurred_at,
        now,
    ];
    tx.execute(sql::INSERT, values).await.map(drop)
}

/// Kinds and amounts of the reports on an order, as they came.
///
/// # Errors
/// Whatever the database says.
pub async fn ledger(conn: &mut Conn, order: OrderId) -> Result<Vec<(String, i64, String)>, Error> {
    let rows = conn.fetch_all(sql::LEDGER, args![order.0]).await?;
    rows.iter().map(|row| Ok((row.get("kind")?, row.get("amount")?, row.get("currency")?))).collect()
}

/// Brings the refund tasks in line with what has to go back: raises one for what none covers yet, and takes off, oldest
/// first, what has gone back. Gives the raised one.
///
/// # Errors
/// Whatever the database says.
pub async fn settle_refunds(tx: &mut Tx, order: &Order, reason: &str) -> Result<Option<RefundTaskId>, Error> {
    let to_give_back = order.payment.to_give_back(order.owed());
    let rows = tx.fetch_all(sql::OPEN_TASKS, args![order.id.0]).await?;
    let tasks = rows.iter().map(|row| Ok((row.get("id")?, row.get("amount_left")?)));
    let tasks = tasks.collect::<Result<Vec<(Uuid, i64)>, Error>>()?;
    let open: i64 = tasks.iter().map(|(_, left)| left).sum();
    if to_give_back > open {
        let now = tx.now();
        let id = RefundTaskId::new(now);
        let values = args![id.0, order.id.0, to_give_back - open, order.currency.code(), reason, now];
        tx.execute(sql::ADD_TASK, values).await?;
        return Ok(Some(id));
    }
    let mut done = open - to_give_back;
    for (id, left) in tasks {
        let part = done.min(left);
        if part > 0 {
            tx.execute(sql::SET_TASK, args![id, left - part]).await?;
            done -= part;
        }
    }
    Ok(None)
}

/// A refund task.
///
/// # Errors
/// Whatever the database says.
pub async fn task(conn: &mut Conn, id: RefundTaskId) -> Result<Option<RefundTask>, Error> {
    conn.fetch_optional(sql::TASK, args![id.0]).await?.as_ref().map(task_of).transpose()
}

/// A page of refunds still to be made, oldest first.
///
/// # Errors
/// Whatever the database says.
pub async fn tasks(conn: &mut Conn, after: Uuid, limit: i64) -> Result<Vec<RefundTask>, Error> {
    conn.fetch_all(sql::TASKS, args![after, limit]).await?.iter().map(task_of).collect()
}

fn task_of(row: &Row) -> Result<RefundTask, Error> {
    Ok(RefundTask {
        id: RefundTaskId(row.get("id")?),
        order: OrderId(row.get("order_id")?),
        amount: row.get("amount")?,
        left: row.get("amount_left")?,
        currency: row.get("currency")?,
        reason: row.get("reason")?,
        created_at: row.get("created_at")?,
    })
}
