//! Merging carts: no line is lost, and merging twice is merging once.
//!
//! Prices, coupons and delivery are quoted anew by the caller, by the target's channel. A line of the source keeps its id and
//! remembers the cart it came from, so that a later split can give it back.

use super::{Body, CartId, Line};

/// How lines of the same key become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The larger quantity. Idempotent and, in quantities per key, commutative.
    Max,
    /// Quantities add up. Repeating is caught by the source's state, which is MERGED after the first time.
    Sum,
    /// The source's quantity.
    GuestWins,
    /// Every line stays a line of its own.
    KeepBoth,
}

/// Puts what the source holds into the target.
pub fn merge(target: &mut Body, source: &Body, source_id: CartId, mode: Mode) {
    let came = |line: &Line| Line { origin: line.origin.or(Some(source_id)), ..line.clone() };
    for (place, line) in source.lines.iter().enumerate() {
        if mode == Mode::KeepBoth {
            if target.lines.iter().all(|own| own.id != line.id) {
                target.lines.push(came(line));
            }
            continue;
        }
        // After a KEEP_BOTH a cart may hold a key in several lines: keys are compared by their sums, at their first line.
        if source.lines.iter().take(place).any(|earlier| earlier.key() == line.key()) {
            continue;
        }
        let (own, theirs) = (sum(&target.lines, line), sum(&source.lines, line));
        if own.is_none() {
            target.lines.extend(source.lines.iter().filter(|other| other.key() == line.key()).map(came));
            continue;
        }
        let (own, theirs) = (own.unwrap_or(0), theirs.unwrap_or(0));
        let wanted = match mode {
            Mode::Max | Mode::KeepBoth => own.max(theirs),
            Mode::Sum => own.saturating_add(theirs),
            Mode::GuestWins => theirs,
        };
        settle(&mut target.lines, line, own, wanted);
    }
    for coupon in &source.coupons {
        if target.coupons.iter().all(|own| own.code != coupon.code) {
            target.coupons.push(coupon.clone());
        }
    }
    if target.delivery.is_none() {
        target.delivery.clone_from(&source.delivery);
    }
}

fn sum(lines: &[Line], like: &Line) -> Option<i64> {
    lines.iter().filter(|line| line.key() == like.key()).map(|line| line.quantity).reduce(i64::saturating_add)
}

/// Brings the lines of a key from the sum `own` to `wanted`: more goes to the first of them, less leaves it alone.
fn settle(lines: &mut Vec<Line>, like: &Line, own: i64, wanted: i64) {
    let Some(first) = lines.iter_mut().find(|line| line.key() == like.key()) else { return };
    if wanted >= own {
        first.quantity = first.quantity.saturating_add(wanted - own);
    } else {
        first.quantity = wanted;
        let id = first.id;
        lines.retain(|line| line.id == id || line.key() != like.key());
    }
}
