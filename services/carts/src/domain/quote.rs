//! What a cart costs: a pure function of its lines, prices, coupons and delivery. Every amount that is charged is rounded to
//! the minor unit once, here; parts sum to totals exactly.

use omnimesh_kit::{
    clock::Timestamp,
    money::{Currency, Money, MoneyError, split_by_largest_remainder},
};
use serde::{Deserialize, Serialize};

use super::{
    Body, Line,
    delivery::{Delivery, DeliveryCost},
    price::{PriceList, SkuPrice},
};

/// What a line costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCost {
    /// Unit price times quantity, rounded.
    pub subtotal: Money,
    /// Its part of the discounts.
    pub discount: Money,
    /// The tax in or on top of subtotal - discount.
    pub tax: Money,
    /// What it costs with tax.
    pub total: Money,
}

/// What a coupon does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouponCost {
    /// What it takes off.
    pub discount: Money,
    /// Why it does not apply.
    pub refusal: Option<String>,
}

/// What a cart costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// One per line, in their order.
    pub lines: Vec<LineCost>,
    /// One per coupon, in their order.
    pub coupons: Vec<CouponCost>,
    /// Delivery.
    pub delivery: DeliveryCost,
    /// The lines' subtotals.
    pub subtotal: Money,
    /// All discounts.
    pub discount: Money,
    /// All tax, the delivery's included.
    pub tax: Money,
    /// What is to be paid.
    pub total: Money,
}

impl Quote {
    /// Of an empty cart.
    #[must_use]
    pub fn empty(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self {
            lines: Vec::new(),
            coupons: Vec::new(),
            delivery: DeliveryCost::none(currency),
            subtotal: zero,
            discount: zero,
            tax: zero,
            total: zero,
        }
    }

    /// What that body costs at that moment, in that currency and channel.
    ///
    /// # Errors
    /// If an amount is out of range.
    pub fn of(body: &Body, currency: Currency, channel: i32, now: Timestamp) -> Result<Self, MoneyError> {
        let prices = &body.prices;
        let subtotals = body
            .lines
            .iter()
            .map(|line| subtotal(line, prices.skus.get(&line.sku), currency))
            .collect::<Result<Vec<_>, _>>()?;
        let goods = Money::sum(currency, subtotals.iter().copied())?;
        let (discounts, coupons) = discounts(body, &subtotals, channel, now)?;
        let delivery = delivery(body.delivery.as_ref(), prices, goods, now)?;

        let mut lines = Vec::with_capacity(body.lines.len());
        for ((line, subtotal), discount) in body.lines.iter().zip(subtotals).zip(discounts) {
            let rate = prices.skus.get(&line.sku).map_or(0, |price| price.rate_ppm);
            let net_or_gross = subtotal.checked_sub(discount)?;
            let tax = tax_of(net_or_gross, rate, prices.include_tax)?;
            let total = with_tax(net_or_gross, tax, prices.include_tax)?;
            lines.push(LineCost { subtotal, discount, tax, total });
        }
        let delivery_total = with_tax(delivery.fee, delivery.tax, prices.include_tax)?;
        let total = Money::sum(currency, lines.iter().map(|line| line.total).chain([delivery_total]))?;
        let tax = Money::sum(currency, lines.iter().map(|line| line.tax).chain([delivery.tax]))?;
        let discount = Money::sum(currency, lines.iter().map(|line| line.discount))?;
        Ok(Self { lines, coupons, delivery, subtotal: goods, discount, tax, total })
    }
}

/// A line that can't be sold costs nothing.
fn subtotal(line: &Line, price: Option<&SkuPrice>, currency: Currency) -> Result<Money, MoneyError> {
    let unit = price.filter(|price| price.refusal.is_none()).and_then(|price| price.unit_price);
    match unit {
        // Exact multiplication and one rounding: the unit price may be finer than the minor unit.
        Some(unit) => unit.checked_add(Money::zero(currency))?.ratio_to_minor(line.quantity, 1),
        None => Ok(Money::zero(currency)),
    }
}

fn tax_of(amount: Money, rate_ppm: i64, included: bool) -> Result<Money, MoneyError> {
    if included { amount.included_rate_to_minor(rate_ppm) } else { amount.rate_to_minor(rate_ppm) }
}

fn with_tax(amount: Money, tax: Money, included: bool) -> Result<Money, MoneyError> {
    if included { Ok(amount) } else { amount.checked_add(tax) }
}

/// Each line's discounts, and what each coupon does. Coupons apply in their order; one stands beside others only if all of
/// them are combinable.
fn discounts(
    body: &Body,
    subtotals: &[Money],
    channel: i32,
    now: Timestamp,
) -> Result<(Vec<Money>, Vec<CouponCost>), MoneyError> {
    let mut taken: Vec<Money> = subtotals.iter().map(|subtotal| Money::zero(subtotal.currency)).collect();
    let mut costs = Vec::with_capacity(body.coupons.len());
    // Whether a coupon applies already, and whether all that apply are combinable.
    let mut beside: Option<bool> = None;
    for coupon in &body.coupons {
        let mut value = Money::zero(body.quote.total.currency);
        let mut weights = Vec::with_capacity(subtotals.len());
        for ((line, subtotal), taken) in body.lines.iter().zip(subtotals).zip(&taken) {
            let covered = coupon.covers(&line.sku);
            value = if covered { value.checked_add(*subtotal)? } else { value };
            weights.push(if covered { subtotal.checked_sub(*taken)?.micros } else { 0 });
        }
        let left = Money::from_micros(value.currency, weights.iter().sum());
        let answer = match beside {
            Some(all) if !(all && coupon.combinable) => Err("it can't be combined with another coupon".to_owned()),
            _ => coupon.discount(value, left, channel, now)?,
        };
        match answer {
            Ok(discount) => {
                // The weights are what is left of each line, so that no part exceeds its line.
                for (taken, part) in taken.iter_mut().zip(split_by_largest_remainder(discount, &weights)?) {
                    *taken = taken.checked_add(part)?;
                }
                beside = Some(beside.unwrap_or(true) && coupon.combinable);
                costs.push(CouponCost { discount, refusal: None });
            }
            Err(refusal) => costs.push(CouponCost { discount: Money::zero(value.currency), refusal: Some(refusal) }),
        }
    }
    Ok((taken, costs))
}

fn delivery(
    choice: Option<&Delivery>,
    prices: &PriceList,
    goods: Money,
    now: Timestamp,
) -> Result<DeliveryCost, MoneyError> {
    let nothing = DeliveryCost::none(goods.currency);
    let Some(Delivery::Ship { address, method }) = choice else { return Ok(nothing) };
    Ok(match method.fee(&address.expose().country, goods) {
        Ok(fee) => DeliveryCost {
            tax: tax_of(fee, prices.delivery_rate_ppm, prices.include_tax)?,
            fee,
            promise: Some(method.promise(now)),
            problem: None,
        },
        Err(problem) => DeliveryCost { problem: Some(problem), ..nothing },
    })
}
