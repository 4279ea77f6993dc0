//! Splitting an amount so that the parts sum exactly.

use super::{Money, MoneyError};

/// The amount in parts by weight: each gets its rounded-down share, and what is left goes, one unit each, to the largest
/// remainders, the earlier part first among equals. The unit is the minor unit if the total is a whole number of them, the
/// micro-unit otherwise. Parts sum to the total exactly; a weight of zero gets nothing.
///
/// # Errors
/// If a weight is negative, or all are zero while the total is not.
pub fn split_by_largest_remainder(total: Money, weights: &[i64]) -> Result<Vec<Money>, MoneyError> {
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if weights.iter().any(|weight| *weight < 0) || (sum == 0 && !total.is_zero()) {
        return Err(MoneyError::BadWeights);
    }
    if total.is_zero() {
        return Ok(vec![total; weights.len()]);
    }
    let unit = i128::from(if total.is_on_minor() { total.currency.minor_micros() } else { 1 });
    let units = i128::from(total.micros).abs() / unit;
    let sign = i128::from(total.micros.signum());

    let mut shares: Vec<Share> = weights
        .iter()
        .enumerate()
        .map(|(index, weight)| {
            let product = units * i128::from(*weight);
            Share { index, units: product / sum, remainder: product % sum }
        })
        .collect();
    let mut left = units - shares.iter().map(|share| share.units).sum::<i128>();
    // A stable sort: the earlier part comes first among equal remainders.
    shares.sort_by_key(|share| std::cmp::Reverse(share.remainder));
    for share in &mut shares {
        if left == 0 {
            break;
        }
        share.units += 1;
        left -= 1;
    }
    shares.sort_by_key(|share| share.index);
    shares
        .into_iter()
        .map(|share| {
            let micros = i64::try_from(share.units * unit * sign).map_err(|_| MoneyError::Overflow)?;
            Ok(Money { micros, ..total })
        })
        .collect()
}

struct Share {
    index: usize,
    units: i128,
    remainder: i128,
}
