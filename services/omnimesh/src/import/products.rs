//! Products out of rows: all rows of one SKU are one product, with the last name and the last price above zero.

use std::collections::HashMap;

use anyhow::Result;
use omnimesh_kit::money::{Currency, Money};
use omnimesh_proto::catalog::v1::{
    ImportOutcome, ImportProductsRequest, Price, Product, catalog_service_client::CatalogServiceClient,
};

use super::{
    Kind, Plan,
    rows::{Refusal, Rows},
    send::{Answer, Item, Outcome, Summary, send},
};
use crate::client::Client;

/// Imports a file of products.
///
/// # Errors
/// If the file or mapping can't be used, or the mesh does not answer. Refused rows are no error: the summary has them.
pub async fn import_products(client: &Client, plan: &Plan) -> Result<Summary> {
    let rows = Rows::read(plan, Kind::Products)?;
    let (items, refused) = products(&rows);
    let mut summary = Summary { rows: rows.len(), refused: rows.refused.clone(), ..Summary::default() };
    summary.refused.extend(refused);
    let open = async |requests| {
        let mut catalog = CatalogServiceClient::new(client.channel());
        Ok(catalog.import_products(client.request(requests)).await?.into_inner())
    };
    send(plan, &rows.digest, "products", items, &mut summary, open, |response| Answer {
        index: response.index,
        outcome: match response.outcome() {
            ImportOutcome::Created => Outcome::Created,
            ImportOutcome::Updated => Outcome::Updated,
            ImportOutcome::Unchanged => Outcome::Unchanged,
            ImportOutcome::Refused | ImportOutcome::Unspecified => Outcome::Refused(response.refusal),
        },
    })
    .await?;
    Ok(summary)
}

#[derive(Default)]
struct Draft<'a> {
    name: &'a str,
    price: Option<Money>,
    lines: Vec<u64>,
}

pub(super) fn products(rows: &Rows) -> (Vec<Item<ImportProductsRequest>>, Vec<Refusal>) {
    let mapping = &rows.mapping;
    let columns = &mapping.columns;
    let (sku, name, price) = (rows.column(&columns.sku), rows.column(&columns.name), rows.column(&columns.unit_price));
    let currency_column = rows.column(&columns.currency);
    let mut order = Vec::new();
    let mut drafts: HashMap<&str, Draft<'_>> = HashMap::new();
    let mut refused = Vec::new();
    for (line, fields) in rows.iter() {
        let code = fields.get(sku);
        if code.is_empty() {
            refused.push(Refusal { line, reason: format!("{} is empty", columns.sku) });
            continue;
        }
        let currency = if mapping.currency.is_empty() { fields.get(currency_column).trim() } else { &mapping.currency };
        let text = fields.get(price).trim();
        let amount = currency
            .parse::<Currency>()
            .map_err(|_| format!("{} {currency:?} is not an ISO 4217 code", columns.currency))
            .and_then(|currency| {
                Money::parse_decimal(text, currency)
                    .map_err(|error| format!("{} {text:?}: {error}", columns.unit_price))
            });
        let amount = match amount {
            Ok(amount) => amount,
            Err(reason) => {
                refused.push(Refusal { line, reason });
                continue;
            }
        };
        let draft = drafts.entry(code).or_insert_with(|| {
            order.push(code);
            Draft::default()
        });
        draft.lines.push(line);
        let described = fields.get(name).trim();
        if !described.is_empty() {
            draft.name = described;
        }
        if amount.micros > 0 {
            draft.price = Some(amount);
        }
    }
    let items = order
        .into_iter()
        .map(|sku| {
            let draft = drafts.remove(sku).unwrap_or_default();
            let prices = draft.price.iter().map(|price| Price { amount: Some(price.to_proto()), ..Price::default() });
            let product = Product {
                sku: sku.to_owned(),
                name: if draft.name.is_empty() { sku.to_owned() } else { draft.name.to_owned() },
                prices: prices.collect(),
                stock_not_counted: mapping.fees.contains(sku),
                ..Product::default()
            };
            Item {
                label: sku.to_owned(),
                lines: draft.lines,
                request: ImportProductsRequest { product: Some(product) },
            }
        })
        .collect();
    (items, refused)
}
