//! What lines cost now.

use std::{collections::BTreeSet, time::Duration};

use omnimesh_kit::{clock::Timestamp, validate::Violations};
use omnimesh_proto::{
    catalog::v1::{PriceLinesRequest, PriceLinesResponse, PricedSku},
    common::v1::Channel,
};
use tonic::Response;

use super::State;
use crate::{
    domain::{check, price},
    error::Error,
    store::prices::{self, Quote},
};

/// Prices may be relied on this long, unless one of them changes before.
const HOLD: Duration = Duration::from_secs(10 * 60);
const MAX: usize = 500;

pub(super) async fn run(state: &State, request: PriceLinesRequest) -> Result<Response<PriceLinesResponse>, Error> {
    let mut v = Violations::new();
    let channel = Channel::try_from(request.channel).ok();
    v.check("channel", channel.is_some(), "must be a known channel");
    let currency = v.currency("currency_code", &request.currency_code);
    if !request.country_code.is_empty() {
        check::country(&mut v, "country_code", &request.country_code);
    }
    v.check("skus", (1..=MAX).contains(&request.skus.len()), format!("must be 1 to {MAX}"));
    for sku in request.skus.iter().take(MAX) {
        check::sku(&mut v, "skus", sku);
    }
    let (channel, currency) = v.finish_with((channel, currency))?;

    let now = state.clock.now();
    let distinct: BTreeSet<String> = request.skus.iter().cloned().collect();
    let skus = distinct.into_iter().collect();
    let mut conn = state.db.read().await?;
    let quotes = prices::quotes(&mut conn, skus, currency, channel, &request.country_code, now).await?;

    let mut until = now.plus(HOLD);
    let lines = request.skus.into_iter().map(|sku| match quotes.by_sku.get(&sku) {
        None => PricedSku { sku, reason: "the SKU is not known".to_owned(), ..PricedSku::default() },
        Some(quote) => {
            let changes = [price::next_change(&quote.prices, channel, now), quote.next_rate_at];
            until = changes.into_iter().flatten().fold(until, Timestamp::min);
            line(sku, quote, channel, now, currency.code())
        }
    });
    let prices = lines.collect();
    let expire_time = Some(until.to_proto());
    // A channel without settings sells at prices that include tax.
    let prices_include_tax = quotes.prices_include_tax.unwrap_or(true);
    Ok(Response::new(PriceLinesResponse { prices, prices_include_tax, expire_time }))
}

fn line(sku: String, quote: &Quote, channel: Channel, now: Timestamp, currency: &str) -> PricedSku {
    let chosen = price::choose(&quote.prices, channel, now);
    let reason = match chosen {
        _ if quote.discontinued => "the product is withdrawn".to_owned(),
        None => format!("the product has no price in {currency} in this channel"),
        Some(_) => String::new(),
    };
    PricedSku {
        sku,
        sellable: reason.is_empty(),
        reason,
        name: quote.name.clone(),
        unit_price: chosen.map(|price| price.amount.to_proto()),
        tax_category: quote.tax_category.clone(),
        // No rate is known without a country, and none is due where the retailer has set none.
        tax_rate_ppm: quote.rate_ppm.unwrap_or(0),
        stock_counted: quote.stock_counted,
    }
}
