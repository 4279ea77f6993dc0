//! What lines cost: one statement, however many SKUs are asked for. Carts asks with every change of a cart, so prices, tax rates
//! and the channel's settings come in one answer instead of through a cache that somebody would have to invalidate.

use std::collections::BTreeMap;

use omnimesh_kit::{
    args,
    clock::Timestamp,
    money::Currency,
    store::{Conn, Error},
};
use omnimesh_proto::common::v1::Channel;

use super::products::price_of;
use crate::domain::price::Price;

omnimesh_kit::statements! {
    /// One row per SKU and price of the currency that may apply now or later; a SKU without either has one row. The rate is that of
    /// the product's category, else the country's standard one.
    PRICE_LINES = {
        postgres: "SELECT asked.sku AS asked, p.name, p.tax_category, p.discontinued, p.stock_not_counted, \
                r.channel, r.starts_at, r.ends_at, r.micros, \
                COALESCE((SELECT t.rate_ppm FROM tax_rates t WHERE t.country = $4 AND t.category = p.tax_category \
                    AND t.starts_at <= $5 ORDER BY t.starts_at DESC LIMIT 1), \
                (SELECT t.rate_ppm FROM tax_rates t WHERE t.country = $4 AND t.category = 'standard' \
                    AND t.starts_at <= $5 ORDER BY t.starts_at DESC LIMIT 1)) AS rate_ppm, \
                (SELECT MIN(t.starts_at) FROM tax_rates t WHERE t.country = $4 \
                    AND t.category IN (p.tax_category, 'standard') AND t.starts_at > $5) AS next_rate_at, \
                (SELECT c.prices_include_tax FROM channel_settings c WHERE c.channel = $3) AS prices_include_tax \
            FROM unnest(CAST($1 AS TEXT[])) AS asked (sku) LEFT JOIN products p ON p.sku = asked.sku \
            LEFT JOIN prices r ON r.sku = p.sku AND r.currency = $2 AND r.channel IN (0, $3) AND r.ends_at > $5",
        sqlite: "SELECT asked.value AS asked, p.name, p.tax_category, p.discontinued, p.stock_not_counted, \
                r.channel, r.starts_at, r.ends_at, r.micros, \
                COALESCE((SELECT t.rate_ppm FROM tax_rates t WHERE t.country = $4 AND t.category = p.tax_category \
                    AND t.starts_at <= $5 ORDER BY t.starts_at DESC LIMIT 1), \
                (SELECT t.rate_ppm FROM tax_rates t WHERE t.country = $4 AND t.category = 'standard' \
                    AND t.starts_at <= $5 ORDER BY t.starts_at DESC LIMIT 1)) AS rate_ppm, \
                (SELECT MIN(t.starts_at) FROM tax_rates t WHERE t.country = $4 \
                    AND t.category IN (p.tax_category, 'standard') AND t.starts_at > $5) AS next_rate_at, \
                (SELECT c.prices_include_tax FROM channel_settings c WHERE c.channel = $3) AS prices_include_tax \
            FROM json_each($1) AS asked LEFT JOIN products p ON p.sku = asked.value \
            LEFT JOIN prices r ON r.sku = p.sku AND r.currency = $2 AND r.channel IN (0, $3) AND r.ends_at > $5",
    };
}

/// What is known of a SKU's cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The name.
    pub name: String,
    /// The tax category.
    pub tax_category: String,
    /// Whether it is withdrawn.
    pub discontinued: bool,
    /// Whether stock is counted.
    pub stock_counted: bool,
    /// The rate now; `None` where the country has none.
    pub rate_ppm: Option<i64>,
    /// When the rate may change next.
    pub next_rate_at: Option<Timestamp>,
    /// Its prices in the currency, the channel's and the general ones.
    pub prices: Vec<Price>,
}

/// What is known of several SKUs' cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotes {
    /// By SKU; unknown ones are missing.
    pub by_sku: BTreeMap<String, Quote>,
    /// Whether the channel's prices include tax; `None` if the channel has no settings.
    pub prices_include_tax: Option<bool>,
}

/// What those SKUs cost in a channel, currency and country.
///
/// # Errors
/// Whatever the database says.
pub async fn quotes(
    conn: &mut Conn,
    skus: Vec<String>,
    currency: Currency,
    channel: Channel,
    country: &str,
    now: Timestamp,
) -> Result<Quotes, Error> {
    let values = args![skus, currency.code(), i32::from(channel), country, now];
    let mut quotes = Quotes::default();
    for row in conn.fetch_all(PRICE_LINES, values).await? {
        quotes.prices_include_tax = row.get("prices_include_tax")?;
        let Some(name) = row.get::<Option<String>>("name")? else { continue };
        let price = match row.get::<Option<i64>>("micros")? {
            Some(_) => Some(price_of(&row, currency.code())?),
            None => None,
        };
        let quote = Quote {
            name,
            tax_category: row.get("tax_category")?,
            discontinued: row.get("discontinued")?,
            stock_counted: !row.get::<bool>("stock_not_counted")?,
            rate_ppm: row.get("rate_ppm")?,
            next_rate_at: row.get("next_rate_at")?,
            prices: Vec::new(),
        };
        quotes.by_sku.entry(row.get("asked")?).or_insert(quote).prices.extend(price);
    }
    Ok(quotes)
}
