//! Freezing a cart for payment, and what becomes of it afterwards.

use std::time::Duration;

use omnimesh_kit::clock::Timestamp;

use super::{Cart, Gap, Refusal, State};

/// How long a cart stays frozen without an order.
pub const FREEZE_STANDS: Duration = Duration::from_secs(15 * 60);

/// Freezes the cart, for an order or not; gives whether that changed it. For the order it is frozen for already, nothing
/// changes, whatever version the caller saw. Prices of a frozen cart do not move.
///
/// # Errors
/// If the caller saw another version, or the cart is frozen for another order or closed.
pub fn freeze(cart: &mut Cart, expected: i64, order: Option<&str>, now: Timestamp) -> Result<bool, Refusal> {
    match (&cart.state, order) {
        (State::Frozen { order: Some(frozen), .. }, Some(order)) if frozen == order => return Ok(false),
        (State::Ordered { order: ordered }, Some(order)) if ordered == order => return Ok(false),
        // The customer's own freeze passes over to the order that is placed from it.
        (State::Frozen { order: None, .. }, _) | (State::Active, _) => cart.expect_version(expected)?,
        _ => cart.expect_active()?,
    }
    cart.state = State::Frozen { order: order.map(str::to_owned), expires_at: now.plus(FREEZE_STANDS) };
    Ok(true)
}

/// Makes a frozen cart active again; gives whether that changed it. `order` is the one it was frozen for, as only orders says.
///
/// # Errors
/// If it is frozen for an order that the caller does not speak for, or closed.
pub fn thaw(cart: &mut Cart, order: Option<&str>) -> Result<bool, Refusal> {
    match &cart.state {
        State::Active => return Ok(false),
        State::Frozen { order: frozen, .. } if frozen.is_none() || frozen.as_deref() == order => {}
        _ => cart.expect_active()?,
    }
    cart.state = State::Active;
    Ok(true)
}

/// Closes the cart that became that order; gives whether that changed it.
pub fn close(cart: &mut Cart, order: &str) -> bool {
    let theirs = matches!(&cart.state, State::Frozen { order: Some(frozen), .. } if frozen == order);
    if theirs {
        cart.state = State::Ordered { order: order.to_owned() };
    }
    theirs
}

/// Everything that an order needs and the quoted cart lacks.
#[must_use]
pub fn gaps(cart: &Cart) -> Vec<Gap> {
    let body = &cart.body;
    let mut gaps = Vec::new();
    let mut gap = |kind, subject: String, description: String| gaps.push(Gap { kind, subject, description });
    if body.lines.is_empty() {
        gap("LINES", cart.id.to_string(), "it has no lines".to_owned());
    }
    for line in &body.lines {
        let price = body.prices.skus.get(&line.sku);
        if let Some(refusal) = price.map_or(Some("it has no price"), |price| price.refusal.as_deref()) {
            gap("LINE", line.id.to_string(), format!("the product can't be sold: {refusal}"));
        }
    }
    match (&body.delivery, &body.quote.delivery.problem) {
        (None, _) => gap("DELIVERY", cart.id.to_string(), "no delivery is chosen".to_owned()),
        (Some(_), Some(problem)) => gap("DELIVERY", cart.id.to_string(), problem.clone()),
        (Some(_), None) => {}
    }
    for (coupon, cost) in body.coupons.iter().zip(&body.quote.coupons) {
        if let Some(refusal) = &cost.refusal {
            gap("COUPON", coupon.code.clone(), format!("the coupon does not apply: {refusal}"));
        }
    }
    gaps
}
