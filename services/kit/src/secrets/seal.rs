//! Sealing: AES-256-GCM with a key id in front, so that a root can be replaced while old values are still read.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use sha2::{Digest, Sha256};

use super::token::random_bytes;

const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const NONCE: usize = 12;

/// A sealed value that can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not the sealed form.
    #[error("not a sealed value")]
    Malformed,
    /// Sealed under another root secret or for another purpose.
    #[error("sealed with another key: the root secret has been replaced, or the purpose differs")]
    OtherKey,
    /// Changed, or bound to other associated data.
    #[error("the sealed value was changed or belongs to something else")]
    Forged,
}

/// Encrypts and decrypts for one purpose.
#[derive(Clone)]
pub struct Sealer {
    cipher: Aes256Gcm,
    key_id: [u8; KEY_ID],
}

impl Sealer {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let digest: [u8; 32] = Sha256::new().chain_update(b"omnimesh key id").chain_update(key).finalize().into();
        let [a, b, c, d, ..] = digest;
        Self { cipher: Aes256Gcm::new(key.into()), key_id: [a, b, c, d] }
    }

    /// Seals `plain`; `aad` names what it belongs to (such as the order's id) and must be given again to open it. The form
    /// is version (1 byte), key id (4), nonce (12), ciphertext and tag (16).
    #[must_use]
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = random_bytes();
        // The cipher refuses only what is over 64 GB.
        #[expect(clippy::expect_used, reason = "a message in memory is below the cipher's limit")]
        let sealed =
            self.cipher.encrypt(&nonce.into(), Payload { msg: plain, aad }).expect("the message is below 64 GB");
        let mut bytes = Vec::with_capacity(1 + KEY_ID + NONCE + sealed.len());
        bytes.push(VERSION);
        bytes.extend(self.key_id);
        bytes.extend(nonce);
        bytes.extend(sealed);
        bytes
    }

    /// Opens what [`Self::seal`] gave for the same `aad`.
    ///
    /// # Errors
    /// If the value is not sealed by this key for this `aad`.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (version, rest) = sealed.split_first().ok_or(OpenError::Malformed)?;
        let (key_id, rest) = rest.split_first_chunk::<KEY_ID>().ok_or(OpenError::Malformed)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(OpenError::Malformed)?;
        if *version != VERSION {
            return Err(OpenError::Malformed);
        }
        if *key_id != self.key_id {
            return Err(OpenError::OtherKey);
        }
        self.cipher.decrypt(nonce.into(), Payload { msg: sealed, aad }).map_err(|_| OpenError::Forged)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn opens_with_its_key_and_data_only() {
        let sealer = Sealer::new(&[1; 32]);
        let sealed = sealer.seal(b"order_1", b"code");
        assert_ne!(sealed, sealer.seal(b"order_1", b"code"));
        assert_eq!(sealer.open(b"order_1", &sealed).unwrap(), b"code");
        assert_eq!(sealer.open(b"order_2", &sealed), Err(OpenError::Forged));
        assert_eq!(Sealer::new(&[2; 32]).open(b"order_1", &sealed), Err(OpenError::OtherKey));
        assert_eq!(sealer.open(b"order_1", &sealed[..10]), Err(OpenError::Malformed));
    }

    proptest! {
        #[test]
        fn a_changed_bit_is_noticed(plain in prop::collection::vec(any::<u8>(), 0..40), bit in any::<prop::sample::Index>()) {
            let sealer = Sealer::new(&[1; 32]);
            let mut sealed = sealer.seal(b"a", &plain);
            prop_assert_eq!(sealer.open(b"a", &sealed).unwrap(), plain);
            let bit = bit.index(sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(sealer.open(b"a", &sealed).is_err());
        }
    }
}
