//! Reservations, their allocations and the parts that were asked for.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    store::{Conn, Error, Row, Tx},
};
use omnimesh_proto::catalog::v1::ReservationState;
use serde::Serialize;

use super::{from_json, json, malformed};
use crate::domain::{
    allocation::{Pick, Shortage},
    reservation::{Allocation, Reservation},
};

omnimesh_kit::statements! {
    /// Begins a reservation, unless its owner has one.
    INSERT = "INSERT INTO reservations (owner_id, state, lines_hash, shortfall, expires_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (owner_id) DO NOTHING";
    /// A reservation, locked.
    LOCK = {
        postgres: "SELECT owner_id, state, lines_hash, shortfall, expires_at FROM reservations WHERE owner_id = $1 FOR UPDATE",
        sqlite: "SELECT owner_id, state, lines_hash, shortfall, expires_at FROM reservations WHERE owner_id = $1",
    };
    /// Its allocations in the order in which stock rows are locked.
    ALLOCATIONS_OF = "SELECT line_id, sku, location_id, counted, quantity, released, committed FROM allocations \
        WHERE owner_id = $1 ORDER BY sku, location_id, line_id";
    /// Changes a reservation.
    UPDATE = "UPDATE reservations SET state = $2, shortfall = $3, expires_at = $4, updated_at = $5 WHERE owner_id = $1";
    /// Adds many allocations.
    ADD_ALLOCATIONS = {
        postgres: "INSERT INTO allocations (owner_id, line_id, sku, location_id, counted, quantity, released, committed) \
            SELECT $1, n.line_id, n.sku, n.location_id, n.counted, n.quantity, 0, 0 \
            FROM json_to_recordset(CAST($2 AS JSON)) AS n (line_id TEXT, sku TEXT, location_id TEXT, counted BOOLEAN, \
                quantity BIGINT)",
        sqlite: "INSERT INTO allocations (owner_id, line_id, sku, location_id, counted, quantity, released, committed) \
            SELECT $1, n.value ->> 'line_id', n.value ->> 'sku', n.value ->> 'location_id', n.value ->> 'counted', \
                n.value ->> 'quantity', 0, 0 \
            FROM json_each($2) AS n",
    };
    /// Forgets the allocations of a reservation that ran out and begins anew.
    CLEAR_ALLOCATIONS = "DELETE FROM allocations WHERE owner_id = $1";
    /// Gives part of an allocation back, or lets it leave.
    TAKE = "UPDATE allocations SET released = released + $4, committed = committed + $5 \
        WHERE owner_id = $1 AND line_id = $2 AND location_id = $3";
    /// Remembers a part that was asked for, unless it is known.
    KEEP_PART = "INSERT INTO reservation_parts (owner_id, part_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    /// Owners of reservations that ran out, oldest first.
    EXPIRED = "SELECT owner_id FROM reservations WHERE state = 1 AND expires_at <= $1 ORDER BY expires_at LIMIT $2";
    /// Owners of reservations of those SKUs that ran out.
    EXPIRED_OF = {
        postgres: "SELECT DISTINCT r.owner_id FROM reservations r JOIN allocations a ON a.owner_id = r.owner_id \
            WHERE r.state = 1 AND r.expires_at <= $1 AND a.sku = ANY($2) LIMIT 1000",
        sqlite: "SELECT DISTINCT r.owner_id FROM reservations r JOIN allocations a ON a.owner_id = r.owner_id \
            WHERE r.state = 1 AND r.expires_at <= $1 AND a.sku IN (SELECT value FROM json_each($2)) LIMIT 1000",
    };
}

#[derive(Serialize)]
struct AllocationRow<'a> {
    line_id: &'a str,
    sku: &'a str,
    location_id: &'a str,
    counted: bool,
    quantity: i64,
}

/// Begins a reservation without allocations; false if its owner has one.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(tx: &mut Tx, reservation: &Reservation) -> Result<bool, Error> {
    let now = tx.now();
    let values = args![
        &reservation.owner_id,
        i32::from(reservation.state),
        &reservation.lines_hash,
        json(&reservation.shortages)?,
        reservation.expires_at,
        now,
    ];
    Ok(tx.execute(INSERT, values).await? == 1)
}

/// A reservation, locked until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn lock(tx: &mut Tx, owner_id: &str) -> Result<Option<Reservation>, Error> {
    let Some(row) = tx.fetch_optional(LOCK, args![owner_id]).await? else { return Ok(None) };
    let state = row.get::<i32>("state")?;
    let rows = tx.fetch_all(ALLOCATIONS_OF, args![owner_id]).await?;
    Ok(Some(Reservation {
        owner_id: row.get("owner_id")?,
        state: ReservationState::try_from(state).map_err(|error| malformed("state", error))?,
        lines_hash: row.get("lines_hash")?,
        expires_at: row.get("expires_at")?,
        shortages: from_json::<Vec<Shortage>>("shortfall", &row.get::<String>("shortfall")?)?,
        allocations: rows.iter().map(allocation_of).collect::<Result<_, _>>()?,
    }))
}

/// Keeps state, shortfall and expiry of a reservation.
///
/// # Errors
/// Whatever the database says.
pub async fn update(tx: &mut Tx, reservation: &Reservation) -> Result<(), Error> {
    let now = tx.now();
    let values = args![
        &reservation.owner_id,
        i32::from(reservation.state),
        json(&reservation.shortages)?,
        reservation.expires_at,
        now,
    ];
    tx.execute(UPDATE, values).await.map(drop)
}

/// Adds the picks of a plan.
///
/// # Errors
/// Whatever the database says.
pub async fn add_allocations(tx: &mut Tx, owner_id: &str, picks: &[Pick]) -> Result<(), Error> {
    let rows: Vec<_> = picks
        .iter()
        .map(|pick| AllocationRow {
            line_id: &pick.line_id,
            sku: &pick.sku,
            location_id: &pick.location_id,
            counted: pick.counted,
            quantity: pick.quantity,
        })
        .collect();
    tx.execute(ADD_ALLOCATIONS, args![owner_id, json(&rows)?]).await.map(drop)
}

/// Forgets the allocations of a reservation that ran out.
///
/// # Errors
/// Whatever the database says.
pub async fn clear_allocations(tx: &mut Tx, owner_id: &str) -> Result<(), Error> {
    tx.execute(CLEAR_ALLOCATIONS, args![owner_id]).await.map(drop)
}

/// Adds to what of an allocation was released and committed.
///
/// # Errors
/// Whatever the database says.
pub async fn take(
    tx: &mut Tx,
    owner_id: &str,
    allocation: &Allocation,
    released: i64,
    committed: i64,
) -> Result<(), Error> {
    let values = args![owner_id, &allocation.line_id, &allocation.location_id, released, committed];
    tx.execute(TAKE, values).await.map(drop)
}

/// Remembers a part; false if it is known, and had its effect.
///
/// # Errors
/// Whatever the database says.
pub async fn keep_part(tx: &mut Tx, owner_id: &str, part_id: &str) -> Result<bool, Error> {
    Ok(tx.execute(KEEP_PART, args![owner_id, part_id]).await? == 1)
}

/// Owners of reservations that ran out by `now`, oldest first.
///
/// # Errors
/// Whatever the database says.
pub async fn expired(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<String>, Error> {
    owners(conn.fetch_all(EXPIRED, args![now, limit]).await?)
}

/// Owners of reservations of those SKUs that ran out by `now`.
///
/// # Errors
/// Whatever the database says.
pub async fn expired_of(conn: &mut Conn, now: Timestamp, skus: Vec<String>) -> Result<Vec<String>, Error> {
    owners(conn.fetch_all(EXPIRED_OF, args![now, skus]).await?)
}

fn owners(rows: Vec<Row>) -> Result<Vec<String>, Error> {
    rows.iter().map(|row| row.get("owner_id")).collect()
}

fn allocation_of(row: &Row) -> Result<Allocation, Error> {
    Ok(Allocation {
        line_id: row.get("line_id")?,
        sku: row.get("sku")?,
        location_id: row.get("location_id")?,
        counted: row.get("counted")?,
        quantity: row.get("quantity")?,
        released: row.get("released")?,
        committed: row.get("committed")?,
    })
}
