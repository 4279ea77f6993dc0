//! Orders, whole.

use omnimesh_kit::{
    args,
    call::Call,
    clock::Timestamp,
    ids::SessionId,
    store::{Conn, Error, Row, Tx},
};
use uuid::Uuid;

use super::{events, returns};
use crate::domain::{Change, Order, OrderChange, OrderId, OrderState, ReturnId};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// An order by id.
        BY_ID = "SELECT body FROM orders WHERE id = $1";
        /// An order by id, for a change.
        LOCK = {
            postgres: "SELECT body FROM orders WHERE id = $1 FOR UPDATE",
            sqlite: "SELECT body FROM orders WHERE id = $1"
        };
        /// An order by the number that can be spoken.
        BY_NUMBER = "SELECT body FROM orders WHERE number = $1";
        /// An order by the request that places it.
        BY_REQUEST = "SELECT body, place_hash FROM orders WHERE place_principal = $1 AND place_request = $2";
        /// Whether a session placed an order.
        OF_SESSION = "SELECT id FROM orders WHERE session_id = $1 AND placed_at IS NOT NULL LIMIT 1";
        /// A new order, unless its number or its natural key is taken.
        INSERT = "INSERT INTO orders (id, number, version, event_seq, state, channel, profile_id, session_id, account_id, \
            channel_order_id, source_updated_at, content_hash, created_at, placed_at, due_at, place_principal, \
            place_request, place_hash, body, customer_key) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) \
            ON CONFLICT DO NOTHING";
        /// A changed order, if it is still of the version it was read in.
        UPDATE = "UPDATE orders SET version = $3, event_seq = $4, state = $5, channel = $6, profile_id = $7, \
            placed_at = $8, due_at = $9, source_updated_at = $10, body = $11 WHERE id = $1 AND version = $2";
        /// A location of an order.
        ADD_LOCATION = "INSERT INTO order_locations (order_id, location_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        /// Takes a draft for a while, if nobody has it.
        CLAIM_DRAFT = "UPDATE orders SET due_at = $3 WHERE id = $1 AND state = 'DRAFT' AND due_at <= $2";
        /// Lets go of a draft.
        FREE_DRAFT = "UPDATE orders SET due_at = $2 WHERE id = $1 AND state = 'DRAFT'";
        /// Drafts that are older than they should be and that nobody drives.
        STALE_DRAFTS = "SELECT id FROM orders WHERE state = 'DRAFT' AND due_at <= $1 AND created_at <= $2 \
            ORDER BY due_at LIMIT 50";
        /// Orders that were not paid in time.
        UNPAID = "SELECT id FROM orders WHERE state = 'PLACED' AND due_at <= $1 ORDER BY due_at LIMIT 50";
    }
}

/// The request that places an order: unique for ever.
#[derive(Clone, Debug)]
pub struct PlaceKey {
    /// Who asks.
    pub principal: String,
    /// The request id.
    pub request: Uuid,
    /// SHA-256 of the request's body.
    pub hash: [u8; 32],
}

/// What an imported document is compared and found by.
#[derive(Clone, Copy, Debug)]
pub struct ImportKey {
    /// SHA-256 of the content.
    pub content_hash: [u8; 32],
    /// The keyed hash of the customer's reference at the source, if it gives one.
    pub customer: Option<Uuid>,
}

/// The order of a row's body.
pub(super) fn order_of(row: &Row) -> Result<Order, Error> {
    let body: String = row.get("body")?;
    serde_json::from_str(&body).map_err(|error| Error::Column { column: "body".to_owned(), problem: error.to_string() })
}

/// The body of a row.
pub(super) fn body_of(order: &Order) -> Result<String, Error> {
    serde_json::to_string(order)
        .map_err(|error| Error::Column { column: "body".to_owned(), problem: error.to_string() })
}

/// An order.
///
/// # Errors
/// Whatever the database says.
pub async fn find(conn: &mut Conn, id: OrderId) -> Result<Option<Order>, Error> {
    conn.fetch_optional(sql::BY_ID, args![id.0]).await?.as_ref().map(order_of).transpose()
}

/// An order that nobody else changes until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn lock(tx: &mut Tx, id: OrderId) -> Result<Option<Order>, Error> {
    tx.fetch_optional(sql::LOCK, args![id.0]).await?.as_ref().map(order_of).transpose()
}

/// An order by its number in canonical form.
///
/// # Errors
/// Whatever the database says.
pub async fn find_by_number(conn: &mut Conn, number: &str) -> Result<Option<Order>, Error> {
    conn.fetch_optional(sql::BY_NUMBER, args![number]).await?.as_ref().map(order_of).transpose()
}

/// The order that a request placed or is placing, and the hash of that request's body.
///
/// # Errors
/// Whatever the database says.
pub async fn find_by_request(conn: &mut Conn, key: &PlaceKey) -> Result<Option<(Order, [u8; 32])>, Error> {
    let row = conn.fetch_optional(sql::BY_REQUEST, args![&key.principal, key.request]).await?;
    row.map(|row| Ok((order_of(&row)?, row.get("place_hash")?))).transpose()
}

/// Whether a session placed an order.
///
/// # Errors
/// Whatever the database says.
pub async fn any_of_session(conn: &mut Conn, session: SessionId) -> Result<bool, Error> {
    Ok(conn.fetch_optional(sql::OF_SESSION, args![session.0]).await?.is_some())
}

/// Puts a new order in; `false` if its number, its request or its document is known.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(
    tx: &mut Tx,
    call: &Call,
    order: &mut Order,
    key: Option<&PlaceKey>,
    import: Option<ImportKey>,
    due_at: Option<Timestamp>,
) -> Result<bool, Error> {
    let changes = std::mem::take(&mut order.changes);
    let first = order.events;
    order.events += i64::try_from(changes.len()).unwrap_or(0);
    let values = args![
        order.id.0,
        &order.number,
        order.version,
        order.events,
        order.state.as_str(),
        order.channel,
        order.profile.map(|profile| profile.0),
        order.session.map(|session| session.0),
        order.source.as_ref().map(|source| source.account_id.clone()),
        order.source.as_ref().map(|source| source.channel_order_id.clone()),
        order.source.as_ref().map(|source| source.updated_at),
        import.map(|import| import.content_hash.to_vec()),
        order.created_at,
        order.placed_at,
        due_at,
        key.map(|key| key.principal.clone()),
        key.map(|key| key.request),
        key.map(|key| key.hash.to_vec()),
        body_of(order)?,
        import.and_then(|import| import.customer),
    ];
    if tx.execute(sql::INSERT, values).await? == 0 {
        return Ok(false);
    }
    add_locations(tx, order).await?;
    events::append(tx, call, order, first, &changes).await?;
    Ok(true)
}

/// Keeps a changed order, and tells what happened to it. `false` if somebody else changed it meanwhile.
///
/// # Errors
/// Whatever the database says.
pub async fn save(tx: &mut Tx, call: &Call, order: &mut Order) -> Result<bool, Error> {
    let changes = std::mem::take(&mut order.changes);
    let (read, first) = (order.version, order.events);
    order.version += 1;
    order.events += i64::try_from(changes.len()).unwrap_or(0);
    let due_at = if order.state == OrderState::Placed { order.payment_expires_at } else { None };
    let values = args![
        order.id.0,
        read,
        order.version,
        order.events,
        order.state.as_str(),
        order.channel,
        order.profile.map(|profile| profile.0),
        order.placed_at,
        due_at,
        order.source.as_ref().map(|source| source.updated_at),
        body_of(order)?,
    ];
    if tx.execute(sql::UPDATE, values).await? == 0 {
        return Ok(false);
    }
    add_locations(tx, order).await?;
    put_returns(tx, order, &changes).await?;
    events::append(tx, call, order, first, &changes).await?;
    Ok(true)
}

async fn put_returns(tx: &mut Tx, order: &Order, changes: &[Change]) -> Result<(), Error> {
    let changed = |id: ReturnId| {
        changes.iter().any(|change| matches!(&change.what, OrderChange::Return { id: changed, .. } if *changed == id))
    };
    for found in order.returns.iter().filter(|found| changed(found.id)) {
        returns::put(tx, order.id, found).await?;
    }
    Ok(())
}

async fn add_locations(tx: &mut Tx, order: &Order) -> Result<(), Error> {
    for group in order.groups.iter().filter(|group| !group.location_id.is_empty()) {
        tx.execute(sql::ADD_LOCATION, args![order.id.0, &group.location_id]).await?;
    }
    Ok(())
}

/// Takes a draft until `until`, if nobody has it.
///
/// # Errors
/// Whatever the database says.
pub async fn claim_draft(tx: &mut Tx, id: OrderId, until: Timestamp) -> Result<bool, Error> {
    let now = tx.now();
    Ok(tx.execute(sql::CLAIM_DRAFT, args![id.0, now, until]).await? == 1)
}

/// Lets go of a draft: others may drive it at once.
///
/// # Errors
/// Whatever the database says.
pub async fn free_draft(tx: &mut Tx, id: OrderId) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(sql::FREE_DRAFT, args![id.0, now]).await.map(drop)
}

/// Drafts made before `before` that nobody drives.
///
/// # Errors
/// Whatever the database says.
pub async fn stale_drafts(conn: &mut Conn, now: Timestamp, before: Timestamp) -> Result<Vec<OrderId>, Error> {
    let rows = conn.fetch_all(sql::STALE_DRAFTS, args![now, before]).await?;
    rows.iter().map(|row| row.get("id").map(OrderId)).collect()
}

/// Orders whose time to pay is over.
///
/// # Errors
/// Whatever the database says.
pub async fn unpaid(conn: &mut Conn, now: Timestamp) -> Result<Vec<OrderId>, Error> {
    let rows = conn.fetch_all(sql::UNPAID, args![now]).await?;
    rows.iter().map(|row| row.get("id").map(OrderId)).collect()
}
