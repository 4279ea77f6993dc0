//! How channels sell.

use omnimesh_kit::{
    args,
    store::{Conn, Error, Tx},
};

use super::{from_json, json};
use crate::domain::allocation::Sources;

omnimesh_kit::statements! {
    /// Sets how a channel sells.
    SET = "INSERT INTO channel_settings (channel, prices_include_tax, location_ids) VALUES ($1, $2, $3) \
        ON CONFLICT (channel) DO UPDATE SET prices_include_tax = excluded.prices_include_tax, \
        location_ids = excluded.location_ids";
    /// How the channels sell.
    LIST = "SELECT channel, prices_include_tax, location_ids FROM channel_settings ORDER BY channel";
    /// Every location, beside the list of those that a channel sells from.
    SOURCES = "SELECT l.location_id, l.ships, \
            (SELECT c.location_ids FROM channel_settings c WHERE c.channel = $1) AS location_ids \
        FROM locations l ORDER BY l.location_id";
}

/// How a channel sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The channel's number.
    pub channel: i32,
    /// Whether its prices include tax.
    pub prices_include_tax: bool,
    /// The locations it sells from, first choice first.
    pub location_ids: Vec<String>,
}

/// Sets how a channel sells.
///
/// # Errors
/// Whatever the database says.
pub async fn set(tx: &mut Tx, settings: &Settings) -> Result<(), Error> {
    let values = args![settings.channel, settings.prices_include_tax, json(&settings.location_ids)?];
    tx.execute(SET, values).await.map(drop)
}

/// How the channels sell, by channel.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn) -> Result<Vec<Settings>, Error> {
    let rows = conn.fetch_all(LIST, args![]).await?;
    let settings = rows.iter().map(|row| {
        Ok(Settings {
            channel: row.get("channel")?,
            prices_include_tax: row.get("prices_include_tax")?,
            location_ids: from_json("location_ids", &row.get::<String>("location_ids")?)?,
        })
    });
    settings.collect()
}

/// From where a channel sells: its own list, or every location if it has no settings.
///
/// # Errors
/// Whatever the database says.
pub async fn sources(conn: &mut Conn, channel: i32) -> Result<Sources, Error> {
    let mut known = Vec::new();
    let mut own = None;
    for row in conn.fetch_all(SOURCES, args![channel]).await? {
        own = row.get::<Option<String>>("location_ids")?;
        known.push((row.get::<String>("location_id")?, row.get::<bool>("ships")?));
    }
    let own: Option<Vec<String>> = own.map(|text| from_json("location_ids", &text)).transpose()?;
    let ordered: Vec<(String, bool)> = match own {
        None => known,
        Some(own) => own.iter().filter_map(|id| known.iter().find(|(known, _)| known == id).cloned()).collect(),
    };
    let shipping = ordered.iter().filter(|(_, ships)| *ships).map(|(id, _)| id.clone()).collect();
    Ok(Sources { all: ordered.into_iter().map(|(id, _)| id).collect(), shipping })
}
