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
        /// It is not needed, and nobody has begun it.
        WITHDRAW = "DELETE FROM tasks WHERE id = $1 AND tries = 0";
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
    /// Release what was reserved for the group named by the argument, if it never came to be.
    ReleaseGroup,
}

impl TaskKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "RELEASE",
            Self::Thaw => "THAW",
            Self::Reserve => "RESERVE",
            Self::ReleaseGroup => "RELEASE_GROUP",
        }
    }

    fn of(text: &str) -> Result<Self, Error> {
        let all = [Self::Release, Self::Thaw, Self::Reserve, Self::ReleaseGroup];
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
    add_later(tx, order, kind, argument, Duration::ZERO).await.map(drop)
}

/// Adds a task that is due after a while; gives its id.
///
/// # Errors
/// Whatever the database says.
pub async fn add_later(
    tx: &mut Tx,
    order: OrderId,
    kind: TaskKind,
    argument: &str,
    delay: Duration,
) -> Result<Uuid, Error> {
    let now = tx.now();
    let id = uuid_v7(now);
    tx.execute(sql::INSERT, args![id, order.0, kind.as_str(), argument, now.plus(delay)]).await?;
    Ok(id)
}

/// Removes a task that nobody has begun; `false` if somebody has.
///
/// # Errors
/// Whatever the database says.
pub async fn withdraw(tx: &mut Tx, id: Uuid) -> Result<bool, Error> {
    Ok(tx.execute(sql::WITHDRAW, args![id]).await? == 1)
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
