//! How vendors prove that a webhook is theirs. Always over the bytes as they came, compared in constant time, and with two
//! secrets at once, so that one can be exchanged without losing a webhook.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use omnimesh_kit::{private::Private, secrets::same_bytes};
use sha2::Sha256;

/// A secret, and the one that it takes the place of.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// The current one.
    pub current: Private<String>,
    /// The one before, while the vendor may still use it.
    pub previous: Option<Private<String>>,
}

impl Pair {
    /// Whether one of the two holds; both are tried, so that time does not tell which. An empty secret never does.
    fn any(&self, holds: impl Fn(&str) -> bool) -> bool {
        let try_one = |secret: &Private<String>| !secret.expose().is_empty() && holds(secret.expose());
        let current = try_one(&self.current);
        let previous = self.previous.as_ref().is_some_and(try_one);
        current | previous
    }
}

/// How a digest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Base64 with padding.
    Base64,
    /// Hexadecimal after a prefix such as `sha256=`.
    Hex {
        /// The prefix; may be empty.
        prefix: &'static str,
    },
}

/// Whether `signature` is the HMAC-SHA256 of the body under one of the secrets.
#[must_use]
pub fn hmac_sha256(secrets: &Pair, form: Form, body: &[u8], signature: &[u8]) -> bool {
    let digest = match form {
        Form::Base64 => STANDARD.decode(signature).ok(),
        Form::Hex { prefix } => signature.strip_prefix(prefix.as_bytes()).and_then(|digits| hex::decode(digits).ok()),
    };
    let digest = digest.unwrap_or_default();
    secrets.any(|secret| same_bytes(&digest_of(secret, body), &digest))
}

/// The HMAC-SHA256 of a body, in that form: what a vendor's stand-in signs with.
#[must_use]
pub fn sign(secret: &str, form: Form, body: &[u8]) -> String {
    let digest = digest_of(secret, body);
    match form {
        Form::Base64 => STANDARD.encode(digest),
        Form::Hex { prefix } => format!("{prefix}{}", hex::encode(digest)),
    }
}

fn digest_of(secret: &str, body: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// Whether a header holds one of the secrets.
#[must_use]
pub fn shared_secret(secrets: &Pair, header: &[u8]) -> bool {
    secrets.any(|secret| same_bytes(secret.as_bytes(), header))
}

/// Whether a header `Authorization` holds the user name and one of the passwords.
#[must_use]
pub fn basic(username: &str, passwords: &Pair, header: &[u8]) -> bool {
    let scheme = header.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "));
    let given = header.get(6..).filter(|_| scheme).and_then(|given| STANDARD.decode(given.trim_ascii()).ok());
    let given = given.unwrap_or_default();
    passwords.any(|password| same_bytes(format!("{username}:{password}").as_bytes(), &given))
}

/// The value of a header `Authorization` with user name and password.
#[must_use]
pub fn basic_header(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    // "İğdır'da çay 🍵", as a vendor's own JSON may write it: escaped or not, other bytes have another signature.
    const BODY: &str = "{\"note\":\"İğdır'da çay 🍵\"}";
    const ESCAPED: &str = "{\"note\":\"\\u0130\\u011fd\\u0131r'da \\u00e7ay \\ud83c\\udf75\"}";

    fn pair() -> Pair {
        Pair { current: Private::new("new şifre".to_owned()), previous: Some(Private::new("old".to_owned())) }
    }

    #[test]
    fn digests_are_of_the_bytes_as_they_came() {
        for form in [Form::Base64, Form::Hex { prefix: "sha256=" }] {
            for (secret, good) in [("new şifre", true), ("old", true), ("", false), ("other", false)] {
                let signature = sign(secret, form, BODY.as_bytes());
                assert_eq!(hmac_sha256(&pair(), form, BODY.as_bytes(), signature.as_bytes()), good, "{secret}");
                assert!(!hmac_sha256(&pair(), form, ESCAPED.as_bytes(), signature.as_bytes()));
            }
            assert!(!hmac_sha256(&pair(), form, BODY.as_bytes(), b""));
            assert!(!hmac_sha256(&Pair::default(), form, BODY.as_bytes(), sign("", form, BODY.as_bytes()).as_bytes()));
        }
        // RFC 4231, case 2.
        let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign("Jefe", Form::Hex { prefix: "" }, b"what do ya want for nothing?"), known);
    }

    #[test]
    fn secrets_in_headers() {
        assert!(shared_secret(&pair(), "new şifre".as_bytes()) && shared_secret(&pair(), b"old"));
        assert!(
            !shared_secret(&pair(), b"") && !shared_secret(&pair(), b"olD") && !shared_secret(&Pair::default(), b"")
        );
        for (user, password, good) in [("çay", "old", true), ("çay", "no", false), ("x", "old", false)] {
            assert_eq!(basic("çay", &pair(), basic_header(user, password).as_bytes()), good);
        }
        assert!(!basic("çay", &pair(), b"Basic") && !basic("çay", &pair(), b"Bearer old"));
        assert!(basic("çay", &pair(), basic_header("çay", "old").replace("Basic", "basic").as_bytes()));
    }
}
