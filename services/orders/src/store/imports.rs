//! What is known of imported documents.

use std::collections::{HashMap, HashSet};

use omnimesh_kit::{
    args,
    clock::Timestamp,
    store::{Error, Tx},
};
use uuid::Uuid;

use super::orders::{ImportKey, body_of};
use crate::domain::{Known, Order, OrderId};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// The known ones among documents of an account.
        KNOWN = {
            postgres: "SELECT id, channel_order_id, source_updated_at, content_hash FROM orders \
                WHERE account_id = $1 AND channel_order_id = ANY($2) ORDER BY id FOR UPDATE",
            sqlite: "SELECT id, channel_order_id, source_updated_at, content_hash FROM orders \
                WHERE account_id = $1 AND channel_order_id IN (SELECT value FROM json_each($2))"
        };
        /// An older statement came.
        COUNT_STALE = "UPDATE orders SET stale_count = stale_count + 1 WHERE id = $1";
        /// Content and customer of the newest statement.
        SET_KEY = "UPDATE orders SET content_hash = $2, customer_key = $3 WHERE id = $1";
        /// Which customers of sources were erased.
        ERASED = {
            postgres: "SELECT customer_key FROM erased_customers WHERE customer_key = ANY($1)",
            sqlite: "SELECT customer_key FROM erased_customers WHERE customer_key IN (SELECT unhex(value) FROM json_each($1))"
        };
        /// The same content, stated again at a later time.
        SET_TIME = "UPDATE orders SET source_updated_at = $2, body = $3 WHERE id = $1";
        /// A statement kept aside.
        ADD_CONFLICT = "INSERT INTO import_conflicts (order_id, content_hash, received_at, document) VALUES ($1, $2, $3, $4) \
            ON CONFLICT DO NOTHING";
    }
}

/// The known ones among documents of an account, locked, by their id at the source.
///
/// # Errors
/// Whatever the database says.
pub async fn known(tx: &mut Tx, account: &str, ids: Vec<String>) -> Result<HashMap<String, (OrderId, Known)>, Error> {
    let rows = tx.fetch_all(sql::KNOWN, args![account, ids]).await?;
    let entries = rows.iter().map(|row| {
        let known = Known { updated_at: row.get("source_updated_at")?, hash: row.get("content_hash")? };
        Ok((row.get("channel_order_id")?, (OrderId(row.get::<Uuid>("id")?), known)))
    });
    entries.collect()
}

/// Counts an older statement.
///
/// # Errors
/// Whatever the database says.
pub async fn count_stale(tx: &mut Tx, id: OrderId) -> Result<(), Error> {
    tx.execute(sql::COUNT_STALE, args![id.0]).await.map(drop)
}

/// Notes content and customer of the newest statement.
///
/// # Errors
/// Whatever the database says.
pub async fn set_key(tx: &mut Tx, id: OrderId, key: ImportKey) -> Result<(), Error> {
    tx.execute(sql::SET_KEY, args![id.0, key.content_hash, key.customer]).await.map(drop)
}

/// Which of these customers were erased.
///
/// # Errors
/// Whatever the database says.
pub async fn erased_among(tx: &mut Tx, customers: Vec<Uuid>) -> Result<HashSet<Uuid>, Error> {
    if customers.is_empty() {
        return Ok(HashSet::new());
    }
    tx.fetch_all(sql::ERASED, args![customers]).await?.iter().map(|row| row.get("customer_key")).collect()
}

/// Notes that the known content was stated again at a later time. No change of the order: nobody is told.
///
/// # Errors
/// Whatever the database says.
pub async fn set_time(tx: &mut Tx, order: &Order, at: Timestamp) -> Result<(), Error> {
    tx.execute(sql::SET_TIME, args![order.id.0, at, body_of(order)?]).await.map(drop)
}

/// Keeps a statement aside; `false` if it lies there already.
///
/// # Errors
/// Whatever the database says.
pub async fn add_conflict(tx: &mut Tx, id: OrderId, hash: [u8; 32], document: Vec<u8>) -> Result<bool, Error> {
    let now = tx.now();
    Ok(tx.execute(sql::ADD_CONFLICT, args![id.0, hash, now, document]).await? == 1)
}
