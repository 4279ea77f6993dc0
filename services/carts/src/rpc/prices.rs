//! Asks for what a cart's lines cost: always before a transaction, never inside one.

use std::collections::BTreeMap;

use omnimesh_kit::{call::Call, clock::Timestamp, money::Money};
use omnimesh_proto::{
    catalog::v1::{ListTaxRatesRequest, PriceLinesRequest, PricedSku, catalog_service_client::CatalogServiceClient},
    common::v1::Channel,
};

use super::Carts;
use crate::{
    domain::{
        Cart, State,
        price::{Fresh, Need, PRICES_STAND, SkuPrice},
    },
    error::Error,
    store,
};

/// What catalog prices at once.
const CHUNK: usize = 500;

/// Asks what the cart needs to be quoted now; none if its own prices stand, or must not move.
pub(crate) async fn ask(carts: &Carts, call: &Call, cart: &Cart) -> Result<Option<Fresh>, Error> {
    let now = carts.deps.clock.now();
    let Some(need) = cart.body.need(now) else { return Ok(None) };
    let partial = !need.whole;
    let fresh = fetch(carts, call, cart, need, now).await?;
    // The channel turned from gross to net prices or back: standing prices mean something else now.
    let turned = fresh.include_tax.is_some_and(|now| now != cart.body.prices.include_tax);
    if partial && turned && !cart.body.prices.skus.is_empty() {
        let skus: std::collections::BTreeSet<_> = cart.body.lines.iter().map(|line| line.sku.clone()).collect();
        let need = Need { whole: true, skus: skus.into_iter().collect(), ..fresh.need };
        return fetch(carts, call, cart, need, now).await.map(Some);
    }
    Ok(Some(fresh))
}

/// Quotes the cart with what was asked.
///
/// # Errors
/// [`Error::Conflict`] if meanwhile it needs more than was asked: ask again.
pub(crate) fn requote(cart: &mut Cart, fresh: Option<&Fresh>, now: Timestamp) -> Result<(), Error> {
    if let Some(need) = cart.body.need(now) {
        let fresh = fresh.ok_or(Error::Conflict)?;
        let whole =
            Need { whole: true, skus: cart.body.lines.iter().map(|line| line.sku.clone()).collect(), ..need.clone() };
        let same_kind = fresh.include_tax.is_none_or(|included| included == cart.body.prices.include_tax);
        if fresh.answers(&whole) {
            cart.body.take(&whole, fresh, now);
        } else if !need.whole && same_kind && fresh.answers(&need) {
            cart.body.take(&need, fresh, now);
        } else {
            return Err(Error::Conflict);
        }
    }
    Ok(cart.quote(now)?)
}

/// The cart as it is shown: an active one with prices that ran out is quoted anew, in the answer alone. When catalog does not
/// answer, the old prices are shown; their expiry, which lies in the past, says so.
pub(crate) async fn shown(carts: &Carts, call: &Call, mut cart: Cart) -> Result<Cart, Error> {
    if cart.state != State::Active || cart.body.lines.is_empty() {
        return Ok(cart);
    }
    match ask(carts, call, &cart).await {
        Ok(None) => {}
        Ok(fresh) => requote(&mut cart, fresh.as_ref(), carts.deps.clock.now())?,
        Err(Error::Upstream(service, status)) => {
            tracing::warn!(service, code = ?status.code(), "a cart is shown with prices that ran out");
        }
        Err(error) => return Err(error),
    }
    Ok(cart)
}

async fn fetch(carts: &Carts, call: &Call, cart: &Cart, need: Need, now: Timestamp) -> Result<Fresh, Error> {
    let mut fresh = Fresh {
        skus: BTreeMap::new(),
        include_tax: None,
        expires_at: now.plus(PRICES_STAND),
        coupons: Vec::new(),
        method: None,
        delivery_rate_ppm: 0,
        need,
    };
    if fresh.need.whole {
        let codes: Vec<_> = cart.body.coupons.iter().map(|coupon| coupon.code.clone()).collect();
        if !codes.is_empty() {
            fresh.coupons = store::coupons_of(&mut carts.deps.db.read().await?, codes).await?;
        }
        if let Some(chosen) = cart.body.method() {
            fresh.method = store::method(&mut carts.deps.db.read().await?, &chosen.id).await?;
        }
    }
    let mut catalog = CatalogServiceClient::new(carts.deps.links.to("catalog", call).idempotent());
    for skus in fresh.need.skus.chunks(CHUNK) {
        let asked = PriceLinesRequest {
            channel: cart.channel,
            currency_code: cart.currency.code().to_owned(),
            country_code: fresh.need.country.clone(),
            skus: skus.to_vec(),
        };
        let answer =
            catalog.price_lines(asked).await.map_err(|status| Error::Upstream("catalog", status))?.into_inner();
        fresh.include_tax = Some(answer.prices_include_tax);
        let expires_at = answer.expire_time.as_ref().and_then(Timestamp::from_proto);
        fresh.expires_at = fresh.expires_at.min(expires_at.unwrap_or(fresh.expires_at));
        for (sku, price) in skus.iter().zip(&answer.prices) {
            fresh.skus.insert(sku.clone(), priced(cart, price));
        }
    }
    if let (true, Some(category)) = (fresh.need.whole, fresh.need.category.clone()) {
        let asked = ListTaxRatesRequest { country_code: fresh.need.country.clone() };
        let answer = catalog.list_tax_rates(asked).await.map_err(|status| Error::Upstream("catalog", status))?;
        let start = |start: &Option<prost_types::Timestamp>| start.as_ref().and_then(Timestamp::from_proto);
        let rates = answer.into_inner().tax_rates.into_iter().filter(|rate| rate.tax_category == category);
        let begun = rates.filter(|rate| start(&rate.start_time).is_none_or(|start| start <= now));
        let latest = begun.max_by_key(|rate| start(&rate.start_time));
        fresh.delivery_rate_ppm = latest.map_or(0, |rate| rate.rate_ppm);
    }
    Ok(fresh)
}

fn priced(cart: &Cart, price: &PricedSku) -> SkuPrice {
    let unit_price = price.unit_price.as_ref().and_then(|price| Money::from_proto(price).ok());
    let unit_price = unit_price.filter(|price| price.currency == cart.currency && !price.is_negative());
    let refusal = if !price.sellable {
        Some(if price.reason.is_empty() { "it is not sold here".to_owned() } else { price.reason.clone() })
    } else if unit_price.is_none() {
        Some(format!("it has no price in {} here", cart.currency))
    } else {
        None
    };
    SkuPrice { name: price.name.clone(), unit_price, rate_ppm: price.tax_rate_ppm.max(0), refusal }
}

/// The channel that a call adds from; what the mesh adds counts as the web shop's.
pub(crate) fn channel_of(call: &Call) -> i32 {
    match call.identity().channel() {
        Channel::Unspecified => Channel::Web.into(),
        known => known.into(),
    }
}
