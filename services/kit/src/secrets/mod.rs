//! Everything that must stay secret: one root secret of 32 bytes, from which each purpose gets a key of its own.

mod root;
mod seal;
mod token;

use std::{fmt, sync::Arc};

use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

pub use root::SecretError;
pub use seal::{OpenError, Sealer};
pub use token::{crockford_code, hash_token, normalize_code, numeric_code, random_bytes, random_token};

/// Keeps these keys apart from any other use of the same root; part of every derived key, so it never changes.
const SALT: &[u8] = b"omnimesh/v1";

/// The installation's secrets. Every process of a mesh has the same root.
#[derive(Clone)]
pub struct Secrets {
    root: Arc<[u8; 32]>,
}

impl Secrets {
    /// Secrets of a root: 32 random bytes.
    #[must_use]
    pub fn from_root(root: [u8; 32]) -> Self {
        Self { root: Arc::new(root) }
    }

    /// The key of one purpose: HKDF-SHA256 (RFC 5869). Two purposes never share a key.
    #[must_use]
    pub fn key(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        // 32 bytes are far below the 8,160 that HKDF can give: expanding can't fail.
        #[expect(clippy::expect_used, reason = "the length is a constant that HKDF accepts")]
        Hkdf::<Sha256>::new(Some(SALT), self.root.as_slice())
            .expand(purpose.as_bytes(), &mut key)
            .expect("32 bytes are a valid length");
        key
    }

    /// HMAC-SHA256 over the parts under the purpose's key. Lengths are part of it: `ab`, `c` is not `a`, `bc`.
    #[must_use]
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key(purpose)).expect("HMAC takes keys of every length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether `mac` is that of the parts, compared in constant time.
    #[must_use]
    pub fn verify_mac(&self, purpose: &str, parts: &[&[u8]], mac: &[u8]) -> bool {
        same_bytes(&self.mac(purpose, parts), mac)
    }

    /// Encrypts what has to be read again, such as pickup codes and vendors' credentials.
    #[must_use]
    pub fn sealer(&self, purpose: &str) -> Sealer {
        Sealer::new(&self.key(purpose))
    }

    /// The key that signs the mesh's internal identity tokens.
    #[must_use]
    pub fn identity_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.key("internal-identity"))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(***)")
    }
}

/// Whether two byte strings are equal, in a time that does not tell where they differ.
#[must_use]
pub fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_roots_have_keys_of_their_own() {
        let secrets = Secrets::from_root([1; 32]);
        assert_ne!(secrets.key("a"), secrets.key("b"));
        assert_ne!(secrets.key("a"), Secrets::from_root([2; 32]).key("a"));
        assert_eq!(secrets.key("a"), Secrets::from_root([1; 32]).key("a"));
        assert_eq!(format!("{secrets:?}"), "Secrets(***)");
    }

    #[test]
    fn a_mac_covers_the_bounds_of_its_parts() {
        let secrets = Secrets::from_root([1; 32]);
        let mac = secrets.mac("p", &[b"ab", b"c"]);
        assert!(secrets.verify_mac("p", &[b"ab", b"c"], &mac));
        assert!(!secrets.verify_mac("p", &[b"a", b"bc"], &mac));
        assert!(!secrets.verify_mac("p", &[b"ab", b"c", b""], &mac));
        assert!(!secrets.verify_mac("q", &[b"ab", b"c"], &mac));
        assert!(!secrets.verify_mac("p", &[b"ab", b"c"], &mac[..31]));
    }
}
