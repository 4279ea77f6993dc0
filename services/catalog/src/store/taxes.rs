//! Tax rates per country, category and start.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    store::{Conn, Error, Tx},
};

omnimesh_kit::statements! {
    /// Sets a rate.
    SET = "INSERT INTO tax_rates (country, category, starts_at, rate_ppm) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (country, category, starts_at) DO UPDATE SET rate_ppm = excluded.rate_ppm";
    /// The rates of a country, or all.
    LIST = "SELECT country, category, starts_at, rate_ppm FROM tax_rates \
        WHERE (CAST($1 AS TEXT) IS NULL OR country = $1) ORDER BY country, category, starts_at LIMIT 100000";
}

/// A tax rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// The tax category.
    pub category: String,
    /// From when on.
    pub starts_at: Timestamp,
    /// Millionths.
    pub rate_ppm: i64,
}

/// Sets a rate; an older one of the same start is replaced.
///
/// # Errors
/// Whatever the database says.
pub async fn set(tx: &mut Tx, rate: &Rate) -> Result<(), Error> {
    tx.execute(SET, args![&rate.country, &rate.category, rate.starts_at, rate.rate_ppm]).await.map(drop)
}

/// The rates of a country, or all, by country, category and start.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, country: Option<&str>) -> Result<Vec<Rate>, Error> {
    let rows = conn.fetch_all(LIST, args![country]).await?;
    let rates = rows.iter().map(|row| {
        Ok(Rate {
            country: row.get("country")?,
            category: row.get("category")?,
            starts_at: row.get("starts_at")?,
            rate_ppm: row.get("rate_ppm")?,
        })
    });
    rates.collect()
}
