//! One-time codes: how long they live, and what counts as one.

use std::time::Duration;

use omnimesh_kit::{clock::Timestamp, typed_id};

typed_id!(
    /// A verification's id.
    VerificationId, "verification");

/// How long a code can be completed, and a completed verification be used.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);
/// Wrong and right tries together.
pub(crate) const TRIES: i64 = 5;
/// How many digits.
pub(crate) const DIGITS: usize = 6;

/// A code that waits to be delivered.
#[derive(Clone, Debug)]
pub(crate) struct OpenCode {
    /// The verification.
    pub id: VerificationId,
    /// The sealed address.
    pub contact_sealed: Vec<u8>,
    /// The sealed code.
    pub code_sealed: Vec<u8>,
    /// The session's language.
    pub locale: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// A completed verification, as IdentifySession uses it.
#[derive(Clone, Debug)]
pub(crate) struct Completed {
    /// The sealed address.
    pub contact_sealed: Vec<u8>,
    /// When the proof was given.
    pub completed_at: Timestamp,
    /// Whether it was used.
    pub used: bool,
}

impl Completed {
    /// Whether it still proves something.
    #[must_use]
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        !self.used && now < self.completed_at.plus(LIFETIME)
    }
}

/// The digits of a typed code: spaces and a hyphen between them are forgiven. `None` if it can't be a code.
#[must_use]
pub(crate) fn typed_code(text: &str) -> Option<String> {
    if text.len() > 32 {
        return None;
    }
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_as_people_type_them() {
        assert_eq!(typed_code("123456").as_deref(), Some("123456"));
        assert_eq!(typed_code(" 123 456\n").as_deref(), Some("123456"));
        assert_eq!(typed_code("123-456").as_deref(), Some("123456"));
        for bad in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "------", &"1".repeat(100)] {
            assert_eq!(typed_code(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_proof_holds_ten_minutes_and_once() {
        let at = Timestamp::from_micros(1_000_000_000_000);
        let proof = Completed { contact_sealed: Vec::new(), completed_at: at, used: false };
        assert!(proof.is_usable(at.plus(Duration::from_secs(599))));
        assert!(!proof.is_usable(at.plus(LIFETIME)));
        assert!(!Completed { used: true, ..proof }.is_usable(at));
    }
}
