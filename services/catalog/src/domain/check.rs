//! Checks of the catalog's own kinds of text. Text is kept as the retailer wrote it: never trimmed, never normalised.

use std::ops::RangeInclusive;

use omnimesh_kit::validate::Violations;

/// The longest SKU, in characters.
pub const SKU_LENGTH: usize = 64;
/// The category of products that name none.
pub const STANDARD: &str = "standard";

/// A SKU: case-sensitive, exactly as given.
pub fn sku(v: &mut Violations, field: &str, text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        v.add(field, "must not have control characters");
        return None;
    }
    free(v, field, text, 1..=SKU_LENGTH)
}

/// A text of that many characters, exactly as given. NUL is refused: databases can't keep it.
pub fn free(v: &mut Violations, field: &str, text: &str, length: RangeInclusive<usize>) -> Option<String> {
    if text.contains('\0') {
        v.add(field, "must not have the character NUL");
        return None;
    }
    if length.contains(&text.chars().count()) {
        return Some(text.to_owned());
    }
    v.add(field, format!("must have {} to {} characters", length.start(), length.end()));
    None
}

/// An id of the retailer's own: 1 to 64 lower-case letters, digits and hyphens.
pub fn slug(v: &mut Violations, field: &str, text: &str) -> Option<String> {
    let ok = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    v.check(field, ok, "must have 1 to 64 lower-case letters, digits and hyphens");
    ok.then(|| text.to_owned())
}

/// A tax category; empty means standard.
pub fn tax_category(v: &mut Violations, field: &str, text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(STANDARD.to_owned());
    }
    let ok = text.len() <= 32
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-');
    v.check(field, ok, "must have at most 32 lower-case letters, digits, hyphens and underscores");
    ok.then(|| text.to_owned())
}

/// ISO 3166-1 alpha-2, by its form: the catalog keeps what the retailer sets.
pub fn country(v: &mut Violations, field: &str, text: &str) -> Option<String> {
    let ok = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    v.check(field, ok, "must be an ISO 3166-1 alpha-2 code, two upper-case letters");
    ok.then(|| text.to_owned())
}
