//! Returns as they are found and listed. What is known of one lies in its order.

use omnimesh_kit::{
    args,
    store::{Conn, Error, Row, Tx, Value},
};
use uuid::Uuid;

use super::orders::order_of;
use crate::domain::{Order, OrderId, Return, ReturnId};

/// The SQL of this module.
pub mod sql {
    // An absent condition is NULL or an empty list; $6 tells whether callers are customers, $9 whether they are staff of some stores.
    macro_rules! filtered {
        (postgres) => {
            "r.id < $1 AND (r.order_id = $2 OR $2 IS NULL) AND (r.state = ANY($3) OR cardinality($3) = 0) \
            AND (r.location_id = $4 OR $4 IS NULL) AND (o.account_id = $5 OR $5 IS NULL) \
            AND ($6 IS FALSE OR o.session_id = $7 OR o.profile_id = ANY($8)) \
            AND ($9 IS FALSE OR r.location_id = '' OR r.location_id = ANY($10) OR EXISTS (SELECT 1 FROM order_locations l \
                WHERE l.order_id = r.order_id AND l.location_id = ANY($10)))"
        };
        (sqlite) => {
            "r.id < $1 AND (r.order_id = $2 OR $2 IS NULL) \
            AND (r.state IN (SELECT value FROM json_each($3)) OR $3 = '[]') \
            AND (r.location_id = $4 OR $4 IS NULL) AND (o.account_id = $5 OR $5 IS NULL) \
            AND ($6 IS FALSE OR o.session_id = $7 OR o.profile_id IN (SELECT unhex(value) FROM json_each($8))) \
            AND ($9 IS FALSE OR r.location_id = '' OR r.location_id IN (SELECT value FROM json_each($10)) \
                OR EXISTS (SELECT 1 FROM order_locations l WHERE l.order_id = r.order_id \
                    AND l.location_id IN (SELECT value FROM json_each($10))))"
        };
    }

    omnimesh_kit::statements! {
        /// Keeps what a return is found by.
        PUT = "INSERT INTO returns (id, order_id, state, location_id) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (id) DO UPDATE SET state = excluded.state, location_id = excluded.location_id";
        /// The order of a return.
        ORDER_OF = "SELECT order_id FROM returns WHERE id = $1";
        /// A page of returns with their orders, newest first.
        NEWEST = {
            postgres: concat!("SELECT r.id, o.body FROM returns r JOIN orders o ON o.id = r.order_id WHERE ",
                filtered!(postgres), " ORDER BY r.id DESC LIMIT $11"),
            sqlite: concat!("SELECT r.id, o.body FROM returns r JOIN orders o ON o.id = r.order_id WHERE ",
                filtered!(sqlite), " ORDER BY r.id DESC LIMIT $11")
        };
    }
}

/// What to list. Empty lists and `None` do not restrict.
#[derive(Clone, Debug, Default)]
pub struct ReturnFilter {
    /// Of this order.
    pub order: Option<Uuid>,
    /// In these states.
    pub states: Vec<String>,
    /// At this location.
    pub location: Option<String>,
    /// Of this channel account.
    pub account: Option<String>,
    /// Of orders of this session's lineage or these profiles.
    pub customer: Option<(Uuid, Vec<Uuid>)>,
    /// Of these stores, of orders of these stores, or of no store yet.
    pub stores: Option<Vec<String>>,
}

/// Keeps what a return is found by.
///
/// # Errors
/// Whatever the database says.
pub async fn put(tx: &mut Tx, order: OrderId, found: &Return) -> Result<(), Error> {
    tx.execute(sql::PUT, args![found.id.0, order.0, found.state.as_str(), &found.location_id]).await.map(drop)
}

/// The order of a return.
///
/// # Errors
/// Whatever the database says.
pub async fn order_of_return(conn: &mut Conn, id: ReturnId) -> Result<Option<OrderId>, Error> {
    conn.fetch_optional(sql::ORDER_OF, args![id.0]).await?.map(|row| row.get("order_id").map(OrderId)).transpose()
}

/// A page of returns with their orders, newest first, older than `before`.
///
/// # Errors
/// Whatever the database says.
pub async fn newest(
    conn: &mut Conn,
    filter: &ReturnFilter,
    before: Uuid,
    limit: i64,
) -> Result<Vec<(ReturnId, Order)>, Error> {
    let (session, profiles) = filter.customer.clone().unzip();
    let values: Vec<Value> = vec![
        before.into(),
        filter.order.into(),
        filter.states.clone().into(),
        filter.location.clone().into(),
        filter.account.clone().into(),
        session.is_some().into(),
        session.into(),
        profiles.unwrap_or_default().into(),
        filter.stores.is_some().into(),
        filter.stores.clone().unwrap_or_default().into(),
        limit.into(),
    ];
    conn.fetch_all(sql::NEWEST, values).await?.iter().map(found).collect()
}

fn found(row: &Row) -> Result<(ReturnId, Order), Error> {
    Ok((ReturnId(row.get("id")?), order_of(row)?))
}
