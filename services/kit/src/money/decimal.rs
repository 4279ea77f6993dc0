//! Decimal text and micro-units.

use super::MoneyError;

const DECIMALS: usize = 6;

/// Micro-units from a decimal text, exactly. Zeros after the sixth decimal are accepted: they change nothing.
pub(super) fn parse(text: &str) -> Result<i64, MoneyError> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return Err(MoneyError::NotDecimal),
        Some(parts) => parts,
        None => (digits, ""),
    };
    if whole.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit()) {
        return Err(MoneyError::NotDecimal);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > DECIMALS {
        return Err(MoneyError::TooFine);
    }
    let scaled = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', DECIMALS - fraction.len()));
    // Summed on the negative side, which reaches one further: so that i64::MIN can be read back.
    let sum =
        scaled.map(|byte| i64::from(byte - b'0')).try_fold(0i64, |sum, digit| sum.checked_mul(10)?.checked_sub(digit));
    let sum = sum.ok_or(MoneyError::Overflow)?;
    if negative { Ok(sum) } else { sum.checked_neg().ok_or(MoneyError::Overflow) }
}

/// The decimal text of micro-units, with at least `digits` decimals.
pub(super) fn format(micros: i64, digits: u8) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let magnitude = micros.unsigned_abs();
    let fraction = format!("{:06}", magnitude % 1_000_000);
    let trimmed = fraction.trim_end_matches('0');
    let digits = trimmed.len().max(usize::from(digits));
    let whole = magnitude / 1_000_000;
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{trimmed:0<digits$}") }
}
