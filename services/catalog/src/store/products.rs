//! Products, their words and their prices.

use std::collections::BTreeMap;

use omnimesh_kit::{
    args,
    clock::Timestamp,
    money::Money,
    store::{Conn, Error, Row, Tx},
};
use omnimesh_proto::common::v1::Channel;
use serde::Serialize;

use super::{from_json, json, malformed};
use crate::domain::{price::Price, product::Product, span::Span};

omnimesh_kit::statements! {
    /// Products with those SKUs after one, by SKU.
    BY_SKUS = {
        postgres: "SELECT sku, name, description, group_id, options, tax_category, discontinued, stock_not_counted, version, \
            updated_at FROM products WHERE sku = ANY($1) AND sku > $2 ORDER BY sku LIMIT $3",
        sqlite: "SELECT sku, name, description, group_id, options, tax_category, discontinued, stock_not_counted, version, \
            updated_at FROM products WHERE sku IN (SELECT value FROM json_each($1)) AND sku > $2 ORDER BY sku LIMIT $3",
    };
    /// Products after a SKU.
    PAGE = "SELECT sku, name, description, group_id, options, tax_category, discontinued, stock_not_counted, version, \
        updated_at FROM products WHERE sku > $1 ORDER BY sku LIMIT $2";
    /// Products after a SKU that have a word from $2 up to $3, and for each of the words $4 one that begins with it.
    SEARCH = {
        postgres: "SELECT sku, name, description, group_id, options, tax_category, discontinued, stock_not_counted, version, \
            updated_at FROM products p WHERE p.sku > $1 \
            AND p.sku IN (SELECT w.sku FROM product_words w WHERE w.word >= $2 AND w.word < $3 AND w.sku > $1) \
            AND NOT EXISTS (SELECT 1 FROM unnest(CAST($4 AS TEXT[])) AS q (word) WHERE NOT EXISTS (SELECT 1 FROM product_words w \
                WHERE w.sku = p.sku AND w.word >= q.word AND w.word < q.word || chr(1114111))) \
            ORDER BY p.sku LIMIT $5",
        sqlite: "SELECT sku, name, description, group_id, options, tax_category, discontinued, stock_not_counted, version, \
            updated_at FROM products p WHERE p.sku > $1 \
            AND p.sku IN (SELECT w.sku FROM product_words w WHERE w.word >= $2 AND w.word < $3 AND w.sku > $1) \
            AND NOT EXISTS (SELECT 1 FROM json_each($4) AS q WHERE NOT EXISTS (SELECT 1 FROM product_words w \
                WHERE w.sku = p.sku AND w.word >= q.value AND w.word < q.value || char(1114111))) \
            ORDER BY p.sku LIMIT $5",
    };
    /// The prices of those SKUs.
    PRICES_OF = {
        postgres: "SELECT sku, currency, channel, starts_at, ends_at, micros FROM prices WHERE sku = ANY($1) \
            ORDER BY sku, currency, channel, starts_at",
        sqlite: "SELECT sku, currency, channel, starts_at, ends_at, micros FROM prices \
            WHERE sku IN (SELECT value FROM json_each($1)) ORDER BY sku, currency, channel, starts_at",
    };
    /// The content of those SKUs as hashes; their rows stay as they are until the transaction ends.
    LOCK_HASHES = {
        postgres: "SELECT sku, content_hash FROM products WHERE sku = ANY($1) ORDER BY sku FOR UPDATE",
        sqlite: "SELECT sku, content_hash FROM products WHERE sku IN (SELECT value FROM json_each($1)) ORDER BY sku",
    };
    /// Creates or replaces many, in key order; version 1 is a new one.
    UPSERT = {
        postgres: "INSERT INTO products (sku, name, description, group_id, options, tax_category, discontinued, \
                stock_not_counted, content_hash, version, updated_at) \
            SELECT n.sku, n.name, n.description, n.group_id, n.options, n.tax_category, n.discontinued, n.stock_not_counted, \
                n.content_hash, 1, $2 \
            FROM json_to_recordset(CAST($1 AS JSON)) AS n (sku TEXT, name TEXT, description TEXT, group_id TEXT, options TEXT, \
                tax_category TEXT, discontinued BOOLEAN, stock_not_counted BOOLEAN, content_hash TEXT) \
            ORDER BY n.sku COLLATE \"C\" \
            ON CONFLICT (sku) DO UPDATE SET name = excluded.name, description = excluded.description, \
                group_id = excluded.group_id, options = excluded.options, tax_category = excluded.tax_category, \
                discontinued = excluded.discontinued, stock_not_counted = excluded.stock_not_counted, \
                content_hash = excluded.content_hash, version = products.version + 1, updated_at = excluded.updated_at \
            RETURNING sku, version",
        sqlite: "INSERT INTO products (sku, name, description, group_id, options, tax_category, discontinued, \
                stock_not_counted, content_hash, version, updated_at) \
            SELECT n.value ->> 'sku', n.value ->> 'name', n.value ->> 'description', n.value ->> 'group_id', \
                n.value ->> 'options', n.value ->> 'tax_category', n.value ->> 'discontinued', \
                n.value ->> 'stock_not_counted', n.value ->> 'content_hash', 1, $2 \
            FROM json_each($1) AS n WHERE TRUE \
            ON CONFLICT (sku) DO UPDATE SET name = excluded.name, description = excluded.description, \
                group_id = excluded.group_id, options = excluded.options, tax_category = excluded.tax_category, \
                discontinued = excluded.discontinued, stock_not_counted = excluded.stock_not_counted, \
                content_hash = excluded.content_hash, version = products.version + 1, updated_at = excluded.updated_at \
            RETURNING sku, version",
    };
    /// Forgets the prices of those SKUs.
    CLEAR_PRICES = {
        postgres: "DELETE FROM prices WHERE sku = ANY($1)",
        sqlite: "DELETE FROM prices WHERE sku IN (SELECT value FROM json_each($1))",
    };
    /// Adds many prices.
    ADD_PRICES = {
        postgres: "INSERT INTO prices (sku, currency, channel, starts_at, ends_at, micros) \
            SELECT n.sku, n.currency, n.channel, n.starts_at, n.ends_at, n.micros \
            FROM json_to_recordset(CAST($1 AS JSON)) AS n (sku TEXT, currency TEXT, channel BIGINT, starts_at BIGINT, \
                ends_at BIGINT, micros BIGINT)",
        sqlite: "INSERT INTO prices (sku, currency, channel, starts_at, ends_at, micros) \
            SELECT n.value ->> 'sku', n.value ->> 'currency', n.value ->> 'channel', n.value ->> 'starts_at', \
                n.value ->> 'ends_at', n.value ->> 'micros' \
            FROM json_each($1) AS n",
    };
    /// Forgets the words of those SKUs.
    CLEAR_WORDS = {
        postgres: "DELETE FROM product_words WHERE sku = ANY($1)",
        sqlite: "DELETE FROM product_words WHERE sku IN (SELECT value FROM json_each($1))",
    };
    /// Adds many words.
    ADD_WORDS = {
        postgres: "INSERT INTO product_words (sku, word) SELECT n.sku, n.word \
            FROM json_to_recordset(CAST($1 AS JSON)) AS n (sku TEXT, word TEXT)",
        sqlite: "INSERT INTO product_words (sku, word) SELECT n.value ->> 'sku', n.value ->> 'word' FROM json_each($1) AS n",
    };
}

/// The greatest character: above every word that begins alike.
const GREATEST: char = '\u{10ffff}';

/// A product with its version and when it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The product.
    pub product: Product,
    /// Incremented by each change.
    pub version: i64,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// Which products to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    All,
    /// Those SKUs.
    Skus(Vec<String>),
    /// Those that have, for each of these words (at least one), a word that begins with it.
    Words(Vec<String>),
}

#[derive(Serialize)]
struct ProductRow<'a> {
    sku: &'a str,
    name: &'a str,
    description: &'a str,
    group_id: &'a str,
    options: String,
    tax_category: &'a str,
    discontinued: bool,
    stock_not_counted: bool,
    content_hash: &'a str,
}

#[derive(Serialize)]
struct PriceRow<'a> {
    sku: &'a str,
    currency: &'a str,
    channel: i32,
    starts_at: i64,
    ends_at: i64,
    micros: i64,
}

#[derive(Serialize)]
struct WordRow<'a> {
    sku: &'a str,
    word: String,
}

/// A page of products after a SKU, by SKU.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, filter: &Filter, after: &str, limit: i64) -> Result<Vec<Kept>, Error> {
    let rows = match filter {
        Filter::All => conn.fetch_all(PAGE, args![after, limit]).await?,
        Filter::Skus(skus) => conn.fetch_all(BY_SKUS, args![skus.clone(), after, limit]).await?,
        Filter::Words(words) => {
            // The longest word is the rarest: it drives the search, the others only check.
            let Some(rarest) = words.iter().max_by_key(|word| word.len()) else { return Ok(Vec::new()) };
            let others: Vec<String> = words.iter().filter(|word| *word != rarest).cloned().collect();
            let values = args![after, rarest, format!("{rarest}{GREATEST}"), others, limit];
            conn.fetch_all(SEARCH, values).await?
        }
    };
    let mut products = rows.iter().map(kept_of).collect::<Result<Vec<_>, _>>()?;
    if products.is_empty() {
        return Ok(products);
    }
    let skus: Vec<String> = products.iter().map(|kept| kept.product.sku.clone()).collect();
    let mut prices = BTreeMap::<String, Vec<Price>>::new();
    for row in conn.fetch_all(PRICES_OF, args![skus]).await? {
        prices.entry(row.get("sku")?).or_default().push(price_of(&row, &row.get::<String>("currency")?)?);
    }
    for kept in &mut products {
        kept.product.prices = prices.remove(&kept.product.sku).unwrap_or_default();
    }
    Ok(products)
}

/// One product.
///
/// # Errors
/// Whatever the database says.
pub async fn find(conn: &mut Conn, sku: &str) -> Result<Option<Kept>, Error> {
    Ok(list(conn, &Filter::Skus(vec![sku.to_owned()]), "", 1).await?.pop())
}

/// The content hashes of those that are known, locked.
///
/// # Errors
/// Whatever the database says.
pub async fn lock_hashes(tx: &mut Tx, skus: Vec<String>) -> Result<BTreeMap<String, String>, Error> {
    let rows = tx.fetch_all(LOCK_HASHES, args![skus]).await?;
    rows.iter().map(|row| Ok((row.get("sku")?, row.get("content_hash")?))).collect()
}

/// Writes products (no SKU twice) with their hashes; gives the version of each.
///
/// # Errors
/// Whatever the database says.
pub async fn write(tx: &mut Tx, products: &[(&Product, &str)]) -> Result<BTreeMap<String, i64>, Error> {
    let now = tx.now();
    let mut rows = Vec::with_capacity(products.len());
    let (mut prices, mut words, mut skus) = (Vec::new(), Vec::new(), Vec::new());
    for (product, content_hash) in products {
        rows.push(ProductRow {
            sku: &product.sku,
            name: &product.name,
            description: &product.description,
            group_id: &product.group_id,
            options: json(&product.options)?,
            tax_category: &product.tax_category,
            discontinued: product.discontinued,
            stock_not_counted: product.stock_not_counted,
            content_hash,
        });
        prices.extend(product.prices.iter().map(|price| PriceRow {
            sku: &product.sku,
            currency: price.amount.currency.code(),
            channel: price.channel.into(),
            starts_at: price.valid.start.micros(),
            ends_at: price.valid.end.micros(),
            micros: price.amount.micros,
        }));
        words.extend(product.words().into_iter().map(|word| WordRow { sku: &product.sku, word }));
        skus.push(product.sku.clone());
    }
    let written = tx.fetch_all(UPSERT, args![json(&rows)?, now]).await?;
    let versions =
        written.iter().map(|row| Ok((row.get("sku")?, row.get("version")?))).collect::<Result<_, Error>>()?;
    tx.execute(CLEAR_PRICES, args![skus.clone()]).await?;
    tx.execute(ADD_PRICES, args![json(&prices)?]).await?;
    tx.execute(CLEAR_WORDS, args![skus]).await?;
    tx.execute(ADD_WORDS, args![json(&words)?]).await?;
    Ok(versions)
}

/// A price of a row with channel, starts_at, ends_at and micros.
pub(super) fn price_of(row: &Row, currency: &str) -> Result<Price, Error> {
    let currency = currency.parse().map_err(|error| malformed("currency", error))?;
    let channel = Channel::try_from(row.get::<i32>("channel")?).map_err(|error| malformed("channel", error))?;
    let valid = Span { start: row.get("starts_at")?, end: row.get("ends_at")? };
    Ok(Price { amount: Money::from_micros(currency, row.get("micros")?), channel, valid })
}

fn kept_of(row: &Row) -> Result<Kept, Error> {
    let product = Product {
        sku: row.get("sku")?,
        name: row.get("name")?,
        description: row.get("description")?,
        group_id: row.get("group_id")?,
        options: from_json("options", &row.get::<String>("options")?)?,
        tax_category: row.get("tax_category")?,
        prices: Vec::new(),
        discontinued: row.get("discontinued")?,
        stock_not_counted: row.get("stock_not_counted")?,
    };
    Ok(Kept { product, version: row.get("version")?, updated_at: row.get("updated_at")? })
}
