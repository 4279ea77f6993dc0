//! Stock rows. Every change raises the row's version by one, which is also the number of its event.

use std::collections::BTreeMap;

use omnimesh_kit::{
    args,
    clock::Timestamp,
    store::{Conn, Error, Row, Sql, Tx},
};
use serde::Serialize;

use super::json;
use crate::domain::{allocation::Supply, stock::Level};

omnimesh_kit::statements! {
    /// Whether the product and the location are known.
    KNOWN = "SELECT EXISTS (SELECT 1 FROM products WHERE sku = $1) AS product, \
        EXISTS (SELECT 1 FROM locations WHERE location_id = $2) AS location";
    /// Whether the product and the location are known, and the product is counted.
    COUNTED = "SELECT EXISTS (SELECT 1 FROM products WHERE sku = $1 AND NOT stock_not_counted) AS product, \
        EXISTS (SELECT 1 FROM locations WHERE location_id = $2) AS location";
    /// Remembers goods that came back, unless that is known.
    KEEP_RESTOCK = "INSERT INTO restocks (order_id, event_seq) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    /// Sets the count, whatever it was.
    SET = "INSERT INTO stock (sku, location_id, on_hand, reserved, allocated, safety, version) \
        VALUES ($1, $2, $3, 0, 0, COALESCE(CAST($4 AS BIGINT), 0), 1) \
        ON CONFLICT (sku, location_id) DO UPDATE SET on_hand = excluded.on_hand, \
            safety = COALESCE(CAST($4 AS BIGINT), stock.safety), version = stock.version + 1 \
        RETURNING sku, location_id, on_hand, reserved, allocated, safety, version";
    /// Sets the count if nobody changed the row since.
    SET_EXPECTED = "UPDATE stock SET on_hand = $3, safety = COALESCE(CAST($4 AS BIGINT), safety), version = version + 1 \
        WHERE sku = $1 AND location_id = $2 AND version = $5 \
        RETURNING sku, location_id, on_hand, reserved, allocated, safety, version";
    /// One row.
    FIND = "SELECT sku, location_id, on_hand, reserved, allocated, safety, version FROM stock \
        WHERE sku = $1 AND location_id = $2";
    /// Adds to the count, or takes from it what is there.
    ADJUST = "UPDATE stock SET on_hand = on_hand + $3, version = version + 1 \
        WHERE sku = $1 AND location_id = $2 AND on_hand + $3 >= 0 \
        RETURNING sku, location_id, on_hand, reserved, allocated, safety, version";
    /// Adds to the count of a row that may be new.
    ADD = "INSERT INTO stock (sku, location_id, on_hand, reserved, allocated, safety, version) VALUES ($1, $2, $3, 0, 0, 0, 1) \
        ON CONFLICT (sku, location_id) DO UPDATE SET on_hand = stock.on_hand + excluded.on_hand, version = stock.version + 1 \
        RETURNING sku, location_id, on_hand, reserved, allocated, safety, version";
    /// Keeps why a count was adjusted.
    KEEP_ADJUSTMENT = "INSERT INTO adjustments (sku, location_id, version, delta, reason, actor, adjusted_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    /// Reserves of each row where there is enough. Rows are locked in key order, so that two orders never wait for each other.
    HOLD = {
        postgres: "WITH wanted AS MATERIALIZED (SELECT s.sku AS of_sku, s.location_id AS of_location, n.reserved AS quantity \
                FROM json_to_recordset(CAST($1 AS JSON)) AS n (sku TEXT, location_id TEXT, reserved BIGINT) \
                JOIN stock AS s ON s.sku = n.sku AND s.location_id = n.location_id ORDER BY s.sku, s.location_id FOR UPDATE OF s) \
            UPDATE stock SET reserved = reserved + quantity, version = version + 1 FROM wanted \
            WHERE sku = of_sku AND location_id = of_location AND on_hand - reserved - allocated - safety >= quantity \
            RETURNING sku, location_id, version",
        sqlite: "UPDATE stock SET reserved = reserved + n.quantity, version = version + 1 \
            FROM (SELECT value ->> 'sku' AS of_sku, value ->> 'location_id' AS of_location, value ->> 'reserved' AS quantity \
                FROM json_each($1)) AS n \
            WHERE sku = n.of_sku AND location_id = n.of_location AND on_hand - reserved - allocated - safety >= n.quantity \
            RETURNING sku, location_id, version",
    };
    /// Moves quantities of reservations. Goods that left are gone, also if a count had said otherwise: the count stops at zero.
    MOVE = {
        postgres: "WITH moved AS MATERIALIZED (SELECT s.sku AS of_sku, s.location_id AS of_location, n.on_hand AS of_shelf, \
                n.reserved AS of_held, n.allocated AS of_orders \
                FROM json_to_recordset(CAST($1 AS JSON)) AS n (sku TEXT, location_id TEXT, on_hand BIGINT, reserved BIGINT, \
                    allocated BIGINT) \
                JOIN stock AS s ON s.sku = n.sku AND s.location_id = n.location_id ORDER BY s.sku, s.location_id FOR UPDATE OF s) \
            UPDATE stock SET on_hand = GREATEST(on_hand + of_shelf, 0), reserved = reserved + of_held, \
                allocated = allocated + of_orders, version = version + 1 FROM moved \
            WHERE sku = of_sku AND location_id = of_location RETURNING sku, location_id, version",
        sqlite: "UPDATE stock SET on_hand = MAX(on_hand + n.of_shelf, 0), reserved = reserved + n.of_held, \
                allocated = allocated + n.of_orders, version = version + 1 \
            FROM (SELECT value ->> 'sku' AS of_sku, value ->> 'location_id' AS of_location, value ->> 'on_hand' AS of_shelf, \
                value ->> 'reserved' AS of_held, value ->> 'allocated' AS of_orders FROM json_each($1)) AS n \
            WHERE sku = n.of_sku AND location_id = n.of_location RETURNING sku, location_id, version",
    };
    /// Locks the rows of those SKUs, in key order.
    LOCK = {
        postgres: "SELECT sku FROM stock WHERE sku = ANY($1) ORDER BY sku, location_id FOR UPDATE",
        sqlite: "SELECT sku FROM stock WHERE sku IN (SELECT value FROM json_each($1))",
    };
    /// The rows of those SKUs with what of their reservations ran out and was not swept yet; a SKU without rows has one.
    SUPPLY = {
        postgres: "SELECT p.sku, p.stock_not_counted, s.location_id, s.on_hand, s.reserved, s.allocated, s.safety, s.version, \
                l.offers_pickup, COALESCE(e.quantity, 0) AS expired \
            FROM products p LEFT JOIN stock s ON s.sku = p.sku LEFT JOIN locations l ON l.location_id = s.location_id \
            LEFT JOIN (SELECT a.sku, a.location_id, CAST(SUM(a.quantity - a.released - a.committed) AS BIGINT) AS quantity \
                FROM reservations r JOIN allocations a ON a.owner_id = r.owner_id \
                WHERE r.state = 1 AND r.expires_at <= $2 AND a.counted GROUP BY a.sku, a.location_id) e \
                ON e.sku = s.sku AND e.location_id = s.location_id \
            WHERE p.sku = ANY($1) ORDER BY p.sku, s.location_id",
        sqlite: "SELECT p.sku, p.stock_not_counted, s.location_id, s.on_hand, s.reserved, s.allocated, s.safety, s.version, \
                l.offers_pickup, COALESCE(e.quantity, 0) AS expired \
            FROM products p LEFT JOIN stock s ON s.sku = p.sku LEFT JOIN locations l ON l.location_id = s.location_id \
            LEFT JOIN (SELECT a.sku, a.location_id, CAST(SUM(a.quantity - a.released - a.committed) AS BIGINT) AS quantity \
                FROM reservations r JOIN allocations a ON a.owner_id = r.owner_id \
                WHERE r.state = 1 AND r.expires_at <= $2 AND a.counted GROUP BY a.sku, a.location_id) e \
                ON e.sku = s.sku AND e.location_id = s.location_id \
            WHERE p.sku IN (SELECT value FROM json_each($1)) ORDER BY p.sku, s.location_id",
    };
}

/// What there is of a SKU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Whether stock is not counted.
    pub uncounted: bool,
    /// Its rows by location, and whether customers collect there.
    pub levels: Vec<(Level, bool)>,
    /// Whether some of it is held by reservations that ran out.
    pub has_expired: bool,
}

impl Held {
    /// For planning.
    #[must_use]
    pub fn supply(&self) -> Supply {
        if self.uncounted {
            return Supply::Uncounted;
        }
        let free = self.levels.iter().map(|(level, _)| (level.location_id.clone(), level.available()));
        Supply::Counted(free.collect())
    }
}

/// Whether the product and the location are known.
///
/// # Errors
/// Whatever the database says.
pub async fn known(conn: &mut Conn, sku: &str, location_id: &str) -> Result<(bool, bool), Error> {
    let row = conn.fetch_one(KNOWN, args![sku, location_id]).await?;
    Ok((row.get("product")?, row.get("location")?))
}

/// Whether a location keeps count of a product.
///
/// # Errors
/// Whatever the database says.
pub async fn is_counted(conn: &mut Conn, sku: &str, location_id: &str) -> Result<bool, Error> {
    let row = conn.fetch_one(COUNTED, args![sku, location_id]).await?;
    Ok(row.get("product")? && row.get("location")?)
}

/// Remembers that goods came back by an event of orders; false if it is known, and had its effect.
///
/// # Errors
/// Whatever the database says.
pub async fn keep_restock(tx: &mut Tx, order_id: &str, event_seq: i64) -> Result<bool, Error> {
    Ok(tx.execute(KEEP_RESTOCK, args![order_id, event_seq]).await? == 1)
}

/// Sets the count; `None` if a version was expected and it is another.
///
/// # Errors
/// Whatever the database says.
pub async fn set(
    tx: &mut Tx,
    (sku, location_id): (&str, &str),
    on_hand: i64,
    safety: Option<i64>,
    expected_version: Option<i64>,
) -> Result<Option<Level>, Error> {
    let row = match expected_version {
        None => tx.fetch_optional(SET, args![sku, location_id, on_hand, safety]).await?,
        Some(version) => tx.fetch_optional(SET_EXPECTED, args![sku, location_id, on_hand, safety, version]).await?,
    };
    row.as_ref().map(level_of).transpose()
}

/// One row.
///
/// # Errors
/// Whatever the database says.
pub async fn find(conn: &mut Conn, sku: &str, location_id: &str) -> Result<Option<Level>, Error> {
    conn.fetch_optional(FIND, args![sku, location_id]).await?.as_ref().map(level_of).transpose()
}

/// Adds to the count; `None` if there is less than is to be taken.
///
/// # Errors
/// Whatever the database says.
pub async fn adjust(tx: &mut Tx, sku: &str, location_id: &str, delta: i64) -> Result<Option<Level>, Error> {
    let statement = if delta > 0 { ADD } else { ADJUST };
    tx.fetch_optional(statement, args![sku, location_id, delta]).await?.as_ref().map(level_of).transpose()
}

/// Keeps why a count was adjusted.
///
/// # Errors
/// Whatever the database says.
pub async fn keep_adjustment(tx: &mut Tx, level: &Level, delta: i64, reason: &str, actor: &str) -> Result<(), Error> {
    let now = tx.now();
    let values = args![&level.sku, &level.location_id, level.version, delta, reason, actor, now];
    tx.execute(KEEP_ADJUSTMENT, values).await.map(drop)
}

/// What is added to each part of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Move {
    /// The row's product.
    pub sku: String,
    /// The row's location.
    pub location_id: String,
    /// To what is on the shelf.
    pub on_hand: i64,
    /// To what is held.
    pub reserved: i64,
    /// To what is bound to orders.
    pub allocated: i64,
}

/// A row that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its product.
    pub sku: String,
    /// Its location.
    pub location_id: String,
    /// Its new version.
    pub version: i64,
}

/// Reserves what each move says, of the rows that have enough; gives those.
///
/// # Errors
/// Whatever the database says.
pub async fn hold(tx: &mut Tx, moves: &[Move]) -> Result<Vec<Changed>, Error> {
    change(tx, HOLD, moves).await
}

/// Moves quantities of reservations; gives the rows that changed.
///
/// # Errors
/// Whatever the database says.
pub async fn apply(tx: &mut Tx, moves: &[Move]) -> Result<Vec<Changed>, Error> {
    change(tx, MOVE, moves).await
}

async fn change(tx: &mut Tx, statement: Sql, moves: &[Move]) -> Result<Vec<Changed>, Error> {
    if moves.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx.fetch_all(statement, args![json(&moves)?]).await?;
    let changed = |row: &Row| {
        Ok(Changed { sku: row.get("sku")?, location_id: row.get("location_id")?, version: row.get("version")? })
    };
    rows.iter().map(changed).collect()
}

/// Locks the rows of those SKUs until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn lock(tx: &mut Tx, skus: Vec<String>) -> Result<(), Error> {
    tx.fetch_all(LOCK, args![skus]).await.map(drop)
}

/// What there is of each known SKU; what ran out at `now` is free again, swept or not.
///
/// # Errors
/// Whatever the database says.
pub async fn supply(conn: &mut Conn, skus: Vec<String>, now: Timestamp) -> Result<BTreeMap<String, Held>, Error> {
    let mut supply = BTreeMap::<String, Held>::new();
    for row in conn.fetch_all(SUPPLY, args![skus, now]).await? {
        let held = supply.entry(row.get("sku")?).or_default();
        held.uncounted = row.get("stock_not_counted")?;
        if row.get::<Option<String>>("location_id")?.is_some() {
            let expired = row.get::<i64>("expired")?;
            held.has_expired |= expired > 0;
            let level = level_of(&row)?;
            held.levels.push((Level { reserved: level.reserved - expired, ..level }, row.get("offers_pickup")?));
        }
    }
    Ok(supply)
}

fn level_of(row: &Row) -> Result<Level, Error> {
    Ok(Level {
        sku: row.get("sku")?,
        location_id: row.get("location_id")?,
        on_hand: row.get("on_hand")?,
        reserved: row.get("reserved")?,
        allocated: row.get("allocated")?,
        safety: row.get("safety")?,
        version: row.get("version")?,
    })
}
