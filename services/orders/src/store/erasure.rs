//! Forgetting a customer: what lies beside the orders.

use omnimesh_kit::{
    args,
    customers::Held,
    store::{Conn, Error, Tx},
};
use uuid::Uuid;

use crate::domain::OrderId;

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// The orders of some profiles and customers of sources, drafts too, in the order in which they are locked.
        ORDERS_OF = {
            postgres: "SELECT id FROM orders WHERE profile_id = ANY($1) OR customer_key = ANY($2) ORDER BY id",
            sqlite: "SELECT id FROM orders WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
                OR customer_key IN (SELECT unhex(value) FROM json_each($2)) ORDER BY id"
        };
        /// The orders of some sessions that name no profile, drafts too.
        ORDERS_OF_GUESTS = {
            postgres: "SELECT id, session_id, created_at FROM orders WHERE session_id = ANY($1) AND profile_id IS NULL",
            sqlite: "SELECT id, session_id, created_at FROM orders \
                WHERE session_id IN (SELECT unhex(value) FROM json_each($1)) AND profile_id IS NULL"
        };
        /// Remembers a customer of a source who was erased.
        KEEP_ERASED = "INSERT INTO erased_customers (customer_key) VALUES ($1) ON CONFLICT DO NOTHING";
        /// Nobody can read or send a pickup code any more; who has it can still collect.
        FORGET_CODES = "UPDATE pickup_codes SET sealed = $2 WHERE order_id = $1";
        /// Of statements kept aside, that they were is enough.
        FORGET_CONFLICTS = "UPDATE import_conflicts SET document = $2 WHERE order_id = $1";
    }
}

/// Remembers a customer of a source: no document brings them back.
///
/// # Errors
/// Whatever the database says.
pub async fn keep_erased(tx: &mut Tx, customer: Uuid) -> Result<(), Error> {
    tx.execute(sql::KEEP_ERASED, args![customer]).await.map(drop)
}

/// The orders of some profiles and customers of sources, drafts too.
///
/// # Errors
/// Whatever the database says.
pub async fn orders_of(conn: &mut Conn, profiles: Vec<Uuid>, customers: Vec<Uuid>) -> Result<Vec<OrderId>, Error> {
    let rows = conn.fetch_all(sql::ORDERS_OF, args![profiles, customers]).await?;
    rows.iter().map(|row| row.get("id").map(OrderId)).collect()
}

/// The orders that a customer placed as a guest, drafts too.
///
/// # Errors
/// Whatever the database says.
pub async fn orders_of_guests(conn: &mut Conn, sessions: &[Held]) -> Result<Vec<OrderId>, Error> {
    let ids: Vec<Uuid> = sessions.iter().map(|held| held.session.0).collect();
    let mut theirs = Vec::new();
    for row in conn.fetch_all(sql::ORDERS_OF_GUESTS, args![ids]).await? {
        let (session, created_at) = (row.get::<Uuid>("session_id")?, row.get("created_at")?);
        if sessions.iter().any(|held| held.session.0 == session && held.covers(created_at)) {
            theirs.push(OrderId(row.get("id")?));
        }
    }
    Ok(theirs)
}

/// Forgets the pickup codes of an order, but for what checks them.
///
/// # Errors
/// Whatever the database says.
pub async fn forget_codes(tx: &mut Tx, order: OrderId) -> Result<(), Error> {
    tx.execute(sql::FORGET_CODES, args![order.0, Vec::<u8>::new()]).await.map(drop)
}

/// Forgets the documents that were kept aside for an order.
///
/// # Errors
/// Whatever the database says.
pub async fn forget_conflicts(tx: &mut Tx, order: OrderId) -> Result<(), Error> {
    tx.execute(sql::FORGET_CONFLICTS, args![order.0, Vec::<u8>::new()]).await.map(drop)
}
