//! Tokens that programs carry and codes that people type.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{Rng, RngCore};
use sha2::{Digest, Sha256};

/// Crockford's base32: no I, L, O and U, which are misread or spell words.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Random bytes from the system-seeded generator.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// `prefix_` and 256 random bits in URL-safe base64 (43 characters).
#[must_use]
pub fn random_token(prefix: &str) -> String {
    format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()))
}

/// What is stored of a token: its SHA-256. The token has 256 random bits, so nothing slower is needed.
#[must_use]
pub fn hash_token(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A code for people: `length` random characters of Crockford's base32, five bits each.
#[must_use]
pub fn crockford_code(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .map(|_| char::from(CROCKFORD.get(rng.random_range(0..CROCKFORD.len())).copied().unwrap_or(b'0')))
        .collect()
}

/// A code of that many random digits.
#[must_use]
pub fn numeric_code(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(rng.random_range(b'0'..=b'9'))).collect()
}

/// A typed code as it was given out: upper case, without spaces and hyphens, and O I L as the digits they were read for.
#[must_use]
pub fn normalize_code(typed: &str) -> String {
    typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_are_long_and_differ() {
        let tokens: HashSet<_> = (0..100).map(|_| random_token("omk")).collect();
        assert_eq!(tokens.len(), 100);
        for token in &tokens {
            assert_eq!(token.len(), 47);
            assert!(token.starts_with("omk_"));
        }
        assert_eq!(hash_token("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn codes_use_their_whole_alphabet_and_read_back() {
        let code = crockford_code(20_000);
        let used: HashSet<_> = code.bytes().collect();
        assert_eq!(used, CROCKFORD.iter().copied().collect());
        assert_eq!(normalize_code(&code), code);
        assert_eq!(normalize_code("o1l-I ab8"), "0111AB8");
        assert!(numeric_code(500).bytes().all(|byte| byte.is_ascii_digit()));
    }
}
