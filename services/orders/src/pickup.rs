//! Pickup codes: made when the goods are ready, kept as keyed hashes to check with, and sealed to send.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use omnimesh_kit::secrets::{Secrets, crockford_code, normalize_code, random_bytes, same_bytes};

use crate::{
    domain::{GroupId, OrderId},
    store::pickups::Kept,
};

/// Wrong tries that a code bears.
pub(crate) const TRIES: i64 = 5;
const PURPOSE: &str = "pickup-code";

/// What the customer shows.
pub(crate) struct PickupCode {
    /// To be spoken or typed.
    pub(crate) code: String,
    /// For a QR code.
    pub(crate) qr_token: String,
}

impl PickupCode {
    /// A new one: 40 bits to type, 128 bits to scan.
    pub(crate) fn random() -> Self {
        Self { code: crockford_code(8), qr_token: URL_SAFE_NO_PAD.encode(random_bytes::<16>()) }
    }

    /// What is kept to check with: bound to order and group, so that no other one's code fits.
    pub(crate) fn kept(&self, secrets: &Secrets, order: OrderId, group: GroupId) -> Kept {
        Kept {
            code_hash: hash(secrets, order, group, b"code", &self.code),
            qr_hash: hash(secrets, order, group, b"qr", &self.qr_token),
            tries: 0,
        }
    }

    /// What is kept to send.
    pub(crate) fn seal(&self, secrets: &Secrets, group: GroupId) -> Vec<u8> {
        let text = format!("{} {}", self.code, self.qr_token);
        secrets.sealer(PURPOSE).seal(group.to_string().as_bytes(), text.as_bytes())
    }

    /// What was sealed.
    pub(crate) fn open(secrets: &Secrets, group: GroupId, sealed: &[u8]) -> Option<Self> {
        let text = secrets.sealer(PURPOSE).open(group.to_string().as_bytes(), sealed).ok()?;
        let text = String::from_utf8(text).ok()?;
        let (code, qr_token) = text.split_once(' ')?;
        Some(Self { code: code.to_owned(), qr_token: qr_token.to_owned() })
    }
}

/// Whether what was shown is the code or the QR token. Both are compared, in constant time.
pub(crate) fn matches(secrets: &Secrets, order: OrderId, group: GroupId, kept: &Kept, shown: &str) -> bool {
    let code = same_bytes(&hash(secrets, order, group, b"code", &normalize_code(shown)), &kept.code_hash);
    let qr = same_bytes(&hash(secrets, order, group, b"qr", shown.trim()), &kept.qr_hash);
    code | qr
}

fn hash(secrets: &Secrets, order: OrderId, group: GroupId, kind: &[u8], text: &str) -> [u8; 32] {
    secrets.mac(PURPOSE, &[order.0.as_bytes(), group.0.as_bytes(), kind, text.as_bytes()])
}

#[cfg(test)]
mod tests {
    use omnimesh_kit::testing::START;

    use super::*;

    #[test]
    fn a_code_fits_its_own_group_only() {
        let secrets = Secrets::from_root([5; 32]);
        let (order, group, other) = (OrderId::new(START), GroupId::new(START), GroupId::new(START));
        let code = PickupCode::random();
        let kept = code.kept(&secrets, order, group);
        let spoken = format!("{} {}", &code.code[..4].to_lowercase(), &code.code[4..]);
        for shown in [code.code.as_str(), &spoken, &code.qr_token] {
            assert!(matches(&secrets, order, group, &kept, shown));
            assert!(!matches(&secrets, order, other, &kept, shown));
        }
        assert!(!matches(&secrets, order, group, &kept, &PickupCode::random().code));
        assert_eq!(PickupCode::open(&secrets, group, &code.seal(&secrets, group)).unwrap().code, code.code);
        assert!(PickupCode::open(&secrets, other, &code.seal(&secrets, group)).is_none());
    }
}
