//! Orders to be looked at.

use std::time::Duration;

use omnimesh_kit::{
    args,
    store::{Error, Tx},
};
use uuid::Uuid;

use crate::domain::OrderId;

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// An order changed.
        ADD = "INSERT INTO looks (order_id, generation, tries, due_at) VALUES ($1, 1, 0, $2) \
            ON CONFLICT (order_id) DO UPDATE SET generation = looks.generation + 1, due_at = excluded.due_at";
        /// Takes the next that is due, for a while.
        CLAIM = {
            postgres: "UPDATE looks SET due_at = $2, tries = tries + 1 WHERE order_id = (SELECT order_id FROM looks WHERE due_at <= $1 \
                ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING order_id, generation, tries",
            sqlite: "UPDATE looks SET due_at = $2, tries = tries + 1 WHERE order_id = (SELECT order_id FROM looks WHERE due_at <= $1 \
                ORDER BY due_at LIMIT 1) RETURNING order_id, generation, tries"
        };
        /// It is done, unless the order changed meanwhile.
        DONE = "DELETE FROM looks WHERE order_id = $1 AND generation = $2";
        /// Later again, unless the order changed meanwhile.
        LATER = "UPDATE looks SET due_at = $3 WHERE order_id = $1 AND generation = $2";
    }
}

/// A look that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) order: OrderId,
    pub(crate) generation: i64,
    pub(crate) tries: i64,
}

pub(crate) async fn add(tx: &mut Tx, order: Uuid) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(sql::ADD, args![order, now]).await.map(drop)
}

pub(crate) async fn claim(tx: &mut Tx, lease: Duration) -> Result<Option<Look>, Error> {
    let now = tx.now();
    let row = tx.fetch_optional(sql::CLAIM, args![now, now.plus(lease)]).await?;
    row.map(|row| {
        Ok(Look { order: OrderId(row.get("order_id")?), generation: row.get("generation")?, tries: row.get("tries")? })
    })
    .transpose()
}

pub(crate) async fn done(tx: &mut Tx, look: Look) -> Result<(), Error> {
    tx.execute(sql::DONE, args![look.order.0, look.generation]).await.map(drop)
}

pub(crate) async fn later(tx: &mut Tx, look: Look, delay: Duration) -> Result<(), Error> {
    let due = tx.now().plus(delay);
    tx.execute(sql::LATER, args![look.order.0, look.generation, due]).await.map(drop)
}
