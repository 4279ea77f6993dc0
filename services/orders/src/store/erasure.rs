//! Forgetting a customer: what lies beside the orders.

use omnimesh_kit::{
    args,
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
