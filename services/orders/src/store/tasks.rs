//! Work at other services that follows from a change: written with it, driven until it is done.

use std::time::Duration;

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::uuid_v7,
    store::{Conn, Error, Tx},
};
use uuid::Uuid;

use crate::domain::OrderId;

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// A task.
        INSERT = "INSERT INTO tasks (id, order_id, kind, argument, tries, due_at) VALUES ($1, $2, $3, $4, 0, $5)";
        /// Takes the next task that is due, for a while: it comes back if its driver dies.
        CLAIM = {
            postgres: "UPDATE tasks SET due_at = $2, tries = tries + 1 WHERE id = (SELECT id FROM tasks WHERE due_at <= $1 AND (order_id = $3 OR $3 IS NULL) \
                ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, order_id, kind, argument, tries",
            sqlite: "UPDATE tasks SET due_at = $2, tries = tries + 1 WHERE id = (SELECT id FROM tasks WHERE due_at <= $1 AND (order_id = $3 OR $3 IS NULL) \
                ORDER BY due_at LIMIT 1) RETURNING id, order_id, kind, argument, tries"
        };
        /// Whether one is due.
        DUE = "SELECT id FROM tasks WHERE due_at <= $1 LIMIT 1";
        /// It is done.
        DELETE = "DELETE FROM tasks WHERE id = $1";
        /// It failed: later again.
        LATER = "UPDATE tasks SET due_at = $2 WHERE id = $1";
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Release all that is left of the order's reservation.
    Release,
    /// Thaw the cart named by the argument.
    Thaw,
    /// Reserve what there is for an imported order.
    Reserve,
}

impl TaskKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "RELEASE",
            Self::Thaw => "THAW",
            Self::Reserve => "RESERVE",
        }
    }

    fn of(text: &str) -> Result<Self, Error> {
        let all = [Self::Release, Self::Thaw, Self::Reserve];
        let unknown = || Error::Column { column: "kind".to_owned(), problem: format!("no such kind of task: {text}") };
        all.into_iter().find(|kind| kind.as_str() == text).ok_or_else(unknown)
    }
}

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its id.
    pub id: Uuid,
    /// The order.
    pub order: OrderId,
    /// What to do.
    pub kind: TaskKind,
    /// With what.
    pub argument: String,
    /// How often it was tried, this time included.
    pub tries: i64,
}

/// Adds a task that is due at once.
///
/// # Errors
/// Whatever the database says.
pub async fn add(tx: &mut Tx, order: OrderId, kind: TaskKind, argument: &str) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(sql::INSERT, args![uuid_v7(now), order.0, kind.as_str(), argument, now]).await.map(drop)
}

/// Whether a task is due.
///
/// # Errors
/// Whatever the database says.
pub async fn is_due(conn: &mut Conn, now: Timestamp) -> Result<bool, Error> {
    Ok(conn.fetch_optional(sql::DUE, args![now]).await?.is_some())
}

/// Takes the next task that is due, of that order or of any; it is this driver's for `lease`.
///
/// # Errors
/// Whatever the database says.
pub async fn claim(tx: &mut Tx, order: Option<OrderId>, lease: Duration) -> Result<Option<Task>, Error> {
    let now = tx.now();
    let row = tx.fetch_optional(sql::CLAIM, args![now, now.plus(lease), order.map(|order| order.0)]).await?;
    row.map(|row| {
        Ok(Task {
            id: row.get("id")?,
            order: OrderId(row.get("order_id")?),
            kind: TaskKind::of(&row.get::<String>("kind")?)?,
            argument: row.get("argument")?,
            tries: row.get("tries")?,
        })
    })
    .transpose()
}

/// Removes a task that is done.
///
/// # Errors
/// Whatever the database says.
pub async fn done(tx: &mut Tx, id: Uuid) -> Result<(), Error> {
    tx.execute(sql::DELETE, args![id]).await.map(drop)
}

/// Puts a task off.
///
/// # Errors
/// Whatever the database says.
pub async fn later(tx: &mut Tx, id: Uuid, delay: Duration) -> Result<(), Error> {
    let due = tx.now().plus(delay);
    tx.execute(sql::LATER, args![id, due]).await.map(drop)
}
