//! What the SKUs of a cart cost, and until when that stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use omnimesh_kit::{clock::Timestamp, money::Money};
use serde::{Deserialize, Serialize};

use super::{
    Body,
    coupon::Coupon,
    delivery::{Delivery, ShippingMethod},
};

/// How long prices stand at the most.
pub const PRICES_STAND: Duration = Duration::from_secs(15 * 60);

/// What one SKU costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkuPrice {
    /// The product's name.
    pub name: String,
    /// The price of one unit; none if it is not sold here.
    pub unit_price: Option<Money>,
    /// The tax rate, millionths.
    pub rate_ppm: i64,
    /// Why it can't be sold; none if it can.
    pub refusal: Option<String>,
}

/// What the SKUs of a cart cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceList {
    /// By SKU.
    pub skus: BTreeMap<String, SkuPrice>,
    /// Whether prices and fees include the tax.
    pub include_tax: bool,
    /// The country that the rates are of; empty while it is not known.
    pub country: String,
    /// The tax category of the delivery's fee, if one was chosen.
    pub delivery_category: Option<String>,
    /// Its tax rate, millionths.
    pub delivery_rate_ppm: i64,
    /// Until when they stand, exclusive; none before they were read.
    pub expires_at: Option<Timestamp>,
}

/// What has to be asked before the cart can be quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The country that decides the tax; empty while it is not known.
    pub country: String,
    /// The tax category of the delivery's fee; none without a shipping method.
    pub category: Option<String>,
    /// The SKUs.
    pub skus: Vec<String>,
    /// Whether everything is read anew: also coupons, shipping method and its tax rate.
    pub whole: bool,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The question.
    pub need: Need,
    /// The prices of the SKUs asked for.
    pub skus: BTreeMap<String, SkuPrice>,
    /// Whether prices include the tax; none if no SKU was asked for.
    pub include_tax: Option<bool>,
    /// Until when catalog stands by them.
    pub expires_at: Timestamp,
    /// The coupons' rules now, for a whole reading.
    pub coupons: Vec<Coupon>,
    /// The shipping method now, for a whole reading.
    pub method: Option<ShippingMethod>,
    /// The tax rate of the delivery's fee, for a whole reading.
    pub delivery_rate_ppm: i64,
}

impl Fresh {
    /// Whether it answers that question too.
    #[must_use]
    pub fn answers(&self, need: &Need) -> bool {
        let asked = &self.need;
        (asked.whole || !need.whole)
            && asked.country == need.country
            && (need.category.is_none() || !need.whole || asked.category == need.category)
            && need.skus.iter().all(|sku| self.skus.contains_key(sku))
    }
}

impl Body {
    /// What has to be asked to quote it at that moment; none if its own prices stand.
    #[must_use]
    pub fn need(&self, now: Timestamp) -> Option<Need> {
        let country = self.delivery.as_ref().map_or("", Delivery::country).to_owned();
        let category = self.method().map(|method| method.tax_category.clone());
        let skus: BTreeSet<&String> = self.lines.iter().map(|line| &line.sku).collect();
        let whole = self.prices.expires_at.is_none_or(|end| end <= now)
            || self.prices.country != country
            || category.is_some() && self.prices.delivery_category != category;
        let asked = skus.into_iter().filter(|sku| whole || !self.prices.skus.contains_key(*sku)).cloned();
        let skus: Vec<_> = asked.collect();
        (whole || !skus.is_empty()).then_some(Need { country, category, skus, whole })
    }

    /// The chosen shipping method.
    #[must_use]
    pub fn method(&self) -> Option<&ShippingMethod> {
        match &self.delivery {
            Some(Delivery::Ship { method, .. }) => Some(method),
            _ => None,
        }
    }

    /// Takes over what answers the need.
    pub fn take(&mut self, need: &Need, fresh: &Fresh, now: Timestamp) {
        let stand = fresh.expires_at.min(now.plus(PRICES_STAND));
        if need.whole {
            self.prices = PriceList {
                skus: BTreeMap::new(),
                include_tax: self.prices.include_tax,
                country: need.country.clone(),
                delivery_category: need.category.clone(),
                delivery_rate_ppm: fresh.delivery_rate_ppm,
                expires_at: Some(stand),
            };
            for coupon in &mut self.coupons {
                if let Some(now) = fresh.coupons.iter().find(|now| now.code == coupon.code) {
                    coupon.clone_from(now);
                }
            }
            if let (Some(Delivery::Ship { method, .. }), Some(now)) = (&mut self.delivery, &fresh.method)
                && method.id == now.id
            {
                method.clone_from(now);
            }
        }
        self.prices.include_tax = fresh.include_tax.unwrap_or(self.prices.include_tax);
        self.prices.skus.extend(fresh.skus.clone());
        let turns = self.coupons.iter().filter_map(|coupon| coupon.next_turn(now));
        self.prices.expires_at = self.prices.expires_at.into_iter().chain([stand]).chain(turns).min();
        let lines = &self.lines;
        self.prices.skus.retain(|sku, _| lines.iter().any(|line| line.sku == *sku));
    }
}
