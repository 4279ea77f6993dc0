//! Stores and warehouses.

use omnimesh_kit::{
    args,
    store::{Conn, Error, Row, Tx},
};

use super::{from_json, json};
use crate::domain::{geo::Point, location::Location};

omnimesh_kit::statements! {
    /// Creates or replaces a location.
    UPSERT = "INSERT INTO locations (location_id, city_folded, latitude_e7, offers_pickup, ships, body, version) \
        VALUES ($1, $2, $3, $4, $5, $6, 1) \
        ON CONFLICT (location_id) DO UPDATE SET city_folded = excluded.city_folded, latitude_e7 = excluded.latitude_e7, \
            offers_pickup = excluded.offers_pickup, ships = excluded.ships, body = excluded.body, \
            version = locations.version + 1 \
        RETURNING version";
    /// One location.
    FIND = "SELECT body, version FROM locations WHERE location_id = $1";
    /// Locations in a city, with pickup, between latitudes: each condition where it is given.
    SEARCH = "SELECT body, version FROM locations WHERE (CAST($1 AS TEXT) IS NULL OR city_folded = $1) \
        AND (NOT CAST($2 AS BOOLEAN) OR offers_pickup) \
        AND (CAST($3 AS BIGINT) IS NULL OR latitude_e7 BETWEEN $3 AND $4) ORDER BY location_id LIMIT 20000";
    /// Which of those ids are known.
    KNOWN = {
        postgres: "SELECT location_id FROM locations WHERE location_id = ANY($1)",
        sqlite: "SELECT location_id FROM locations WHERE location_id IN (SELECT value FROM json_each($1))",
    };
}

/// Creates or replaces a location; gives its version.
///
/// # Errors
/// Whatever the database says.
pub async fn upsert(tx: &mut Tx, location: &Location) -> Result<i64, Error> {
    let values = args![
        &location.location_id,
        location.city_folded(),
        location.point().map(Point::latitude_e7),
        location.offers_pickup,
        location.ships,
        json(location)?,
    ];
    tx.fetch_one(UPSERT, values).await?.get("version")
}

/// One location with its version.
///
/// # Errors
/// Whatever the database says.
pub async fn find(conn: &mut Conn, location_id: &str) -> Result<Option<(Location, i64)>, Error> {
    conn.fetch_optional(FIND, args![location_id]).await?.as_ref().map(location_of).transpose()
}

/// Locations in a folded city, with pickup, between latitudes.
///
/// # Errors
/// Whatever the database says.
pub async fn search(
    conn: &mut Conn,
    city: Option<String>,
    offers_pickup: bool,
    latitudes: Option<(i64, i64)>,
) -> Result<Vec<(Location, i64)>, Error> {
    let (from, to) = latitudes.unzip();
    let rows = conn.fetch_all(SEARCH, args![city, offers_pickup, from, to]).await?;
    rows.iter().map(location_of).collect()
}

/// Those of the ids that no location has.
///
/// # Errors
/// Whatever the database says.
pub async fn unknown(conn: &mut Conn, ids: &[String]) -> Result<Vec<String>, Error> {
    let mut known = Vec::new();
    for row in conn.fetch_all(KNOWN, args![ids]).await? {
        known.push(row.get::<String>("location_id")?);
    }
    Ok(ids.iter().filter(|id| !known.contains(id)).cloned().collect())
}

fn location_of(row: &Row) -> Result<(Location, i64), Error> {
    Ok((from_json("body", &row.get::<String>("body")?)?, row.get("version")?))
}
