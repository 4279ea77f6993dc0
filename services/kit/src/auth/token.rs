//! The identity of a call between two processes of the mesh: a short-lived token, signed with Ed25519.
//!
//! `omi1.<claims>.<signature>`, base64url. The prefix is part of what is signed and is the only algorithm there is.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use http::HeaderValue;
use moka::future::Cache;
use omnimesh_proto::common::v1::ErrorReason;
use serde::{Deserialize, Serialize};

use super::Caller;
use crate::{
    clock::{Clock, Timestamp},
    error::Fault,
    secrets::Secrets,
};

/// The header that carries the token. The gateway removes it from whatever a client sends.
pub const IDENTITY_HEADER: &str = "omnimesh-identity";

const PREFIX: &str = "omi1";
const ISSUER: &str = "omnimesh";
/// How long a token is good for.
const LIFETIME: Duration = Duration::from_secs(60);
/// A cached token is used until this much of its life is left.
const LEFT_AT_LEAST: Duration = Duration::from_secs(20);
/// How far two machines' clocks may lie apart.
const SKEW: Duration = Duration::from_secs(5);
/// Longer than any caller's claims.
const MAX_LENGTH: usize = 8 * 1024;
const CACHED: u64 = 10_000;

/// The verified caller of a call that never left this process. It travels as an extension of the request, which a
/// socket can't carry; only kit can make one.
#[derive(Clone, Debug)]
pub(crate) struct InProcess(pub(crate) Caller);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    // Microseconds since the epoch.
    exp: i64,
    caller: Caller,
}

/// Signs and verifies internal identities.
#[derive(Clone, Debug)]
pub struct TokenKey {
    signing: SigningKey,
    verifying: VerifyingKey,
    clock: Clock,
    issued: Cache<(String, String), (HeaderValue, Timestamp)>,
    verified: Cache<(String, String), (Caller, Timestamp)>,
}

impl TokenKey {
    /// The mesh's key: the same in every process.
    #[must_use]
    pub fn new(secrets: &Secrets, clock: Clock) -> Self {
        let signing = secrets.identity_key();
        let verifying = signing.verifying_key();
        Self { signing, verifying, clock, issued: Cache::new(CACHED), verified: Cache::new(CACHED) }
    }

    /// The token with which `caller` calls the service `target`.
    ///
    /// # Errors
    /// INTERNAL if the caller can't be written as JSON.
    pub async fn issue(&self, caller: &Caller, target: &str) -> Result<HeaderValue, Fault> {
        let key = (serde_json::to_string(caller).map_err(Fault::internal)?, target.to_owned());
        let now = self.clock.now();
        if let Some((token, expires)) = self.issued.get(&key).await
            && expires > now.plus(LEFT_AT_LEAST)
        {
            return Ok(token);
        }
        let expires = now.plus(LIFETIME);
        let claims =
            Claims { iss: ISSUER.into(), aud: target.to_owned(), exp: expires.micros(), caller: caller.clone() };
        let token = HeaderValue::try_from(self.sign(&claims)?).map_err(Fault::internal)?;
        self.issued.insert(key, (token.clone(), expires)).await;
        Ok(token)
    }

    /// The caller that a token names, if it is meant for the service `target` and still good.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub async fn verify(&self, token: &HeaderValue, target: &str) -> Result<Caller, Fault> {
        let token = token.to_str().ok().filter(|token| token.len() <= MAX_LENGTH).ok_or_else(invalid)?;
        let now = self.clock.now();
        let key = (token.to_owned(), target.to_owned());
        if let Some((caller, expires)) = self.verified.get(&key).await {
            return if expires.plus(SKEW) > now { Ok(caller) } else { Err(invalid()) };
        }
        let claims = self.open(token).ok_or_else(invalid)?;
        let expires = Timestamp::from_micros(claims.exp);
        let too_long = expires > now.plus(LIFETIME).plus(SKEW);
        if claims.iss != ISSUER || claims.aud != target || expires.plus(SKEW) <= now || too_long {
            return Err(invalid());
        }
        self.verified.insert(key, (claims.caller.clone(), expires)).await;
        Ok(claims.caller)
    }

    fn sign(&self, claims: &Claims) -> Result<String, Fault> {
        let claims = serde_json::to_vec(claims).map_err(Fault::internal)?;
        let signed = format!("{PREFIX}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.signing.sign(signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())))
    }

    fn open(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let claims = signed.strip_prefix(PREFIX)?.strip_prefix('.')?;
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        self.verifying.verify_strict(signed.as_bytes(), &signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

// One answer for every defect: a forger learns nothing.
fn invalid() -> Fault {
    Fault::unauthenticated(ErrorReason::CredentialInvalid, "the internal identity is not valid here")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;

    fn keys() -> (TokenKey, Clock) {
        let clock = Clock::manual(Timestamp::from_micros(1_700_000_000_000_000));
        (TokenKey::new(&Secrets::from_root([7; 32]), clock.clone()), clock)
    }

    fn caller() -> Caller {
        Caller { identity: Identity::system("orders"), service: Some("orders".into()) }
    }

    #[tokio::test]
    async fn a_token_names_its_caller_to_its_audience_alone() {
        let (keys, _) = keys();
        let token = keys.issue(&caller(), "catalog").await.unwrap();
        for _ in 0..2 {
            assert_eq!(keys.verify(&token, "catalog").await.unwrap(), caller());
            assert!(keys.verify(&token, "carts").await.is_err());
        }
        let cached = keys.issue(&caller(), "catalog").await.unwrap();
        assert_eq!(cached, token);
        assert_ne!(keys.issue(&caller(), "carts").await.unwrap(), token);
    }

    #[tokio::test]
    async fn a_token_ends_after_a_minute_and_is_renewed_before() {
        let (keys, clock) = keys();
        let token = keys.issue(&caller(), "catalog").await.unwrap();
        clock.advance(LIFETIME - LEFT_AT_LEAST);
        let renewed = keys.issue(&caller(), "catalog").await.unwrap();
        assert_ne!(renewed, token);
        assert!(keys.verify(&token, "catalog").await.is_ok());
        clock.advance(LEFT_AT_LEAST + SKEW);
        assert!(keys.verify(&token, "catalog").await.is_err(), "also when it was verified before");
        assert!(keys.verify(&renewed, "catalog").await.is_ok());
    }

    #[tokio::test]
    async fn forged_tokens_are_refused() {
        let (keys, clock) = keys();
        let claims = |exp: Duration, iss: &str| Claims {
            iss: iss.into(),
            aud: "catalog".into(),
            exp: clock.now().plus(exp).micros(),
            caller: caller(),
        };
        let good = keys.sign(&claims(LIFETIME, ISSUER)).unwrap();
        assert!(keys.verify(&good.parse().unwrap(), "catalog").await.is_ok());

        let (head, signature) = good.rsplit_once('.').unwrap();
        let other = TokenKey::new(&Secrets::from_root([8; 32]), clock.clone());
        let json = serde_json::to_vec(&claims(LIFETIME, ISSUER)).unwrap();
        let body = URL_SAFE_NO_PAD.encode(json);
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let swapped = URL_SAFE_NO_PAD.encode(
            serde_json::to_string(&claims(LIFETIME, ISSUER)).unwrap().replace("system:orders", "system:sessions"),
        );
        for forged in [
            String::new(),
            "omi1".into(),
            format!("{head}."),
            format!("{head}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
            format!("omi1.{swapped}.{signature}"),
            // Another algorithm, or none.
            format!("omi2.{body}.{signature}"),
            format!("{header}.{body}."),
            format!("{header}.{body}.{signature}"),
            other.sign(&claims(LIFETIME, ISSUER)).unwrap(),
            keys.sign(&claims(LIFETIME, "somebody")).unwrap(),
            keys.sign(&claims(LIFETIME * 60, ISSUER)).unwrap(),
            "x".repeat(MAX_LENGTH + 1),
        ] {
            assert!(keys.verify(&forged.parse().unwrap(), "catalog").await.is_err(), "{forged} was taken");
        }
    }
}
