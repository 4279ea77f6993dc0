//! API keys: asked of the sessions service, and believed for a few seconds.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, header::ORIGIN};
use moka::future::Cache;
use omnimesh_kit::{
    auth::Identity,
    call::Call,
    clock::{Clock, Timestamp},
    error::Fault,
    links::Links,
    secrets::hash_token,
};
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::{Channel, ErrorReason},
    sessions::v1::{ApiKey, ApiKeyKind, LoadApiKeyRequest, api_key_service_client::ApiKeyServiceClient},
};
use tonic::{Code, Status};

/// 256 bits in URL-safe base64.
const SECRET_LENGTH: usize = 43;
const MAX_ID_LENGTH: usize = 64;
const CACHED: u64 = 100_000;

/// A key as it was shown: its id and the hash of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PresentedKey {
    id: String,
    hash: [u8; 32],
}

impl PresentedKey {
    /// `omk_<id>_<secret>`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(super::KEY_PREFIX)?;
        let (id, secret) = rest.split_at_checked(rest.len().checked_sub(SECRET_LENGTH + 1)?)?;
        let secret = secret.strip_prefix('_')?;
        let fine = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let well_formed = (1..=MAX_ID_LENGTH).contains(&id.len()) && fine(id) && fine(secret);
        well_formed.then(|| Self { id: id.to_owned(), hash: hash_token(text) })
    }
}

#[derive(Debug)]
pub(super) struct Keys {
    links: Links,
    clock: Clock,
    // Unknown keys too: whoever tries one again and again costs nothing.
    known: Cache<[u8; 32], Option<Arc<ApiKey>>>,
}

impl Keys {
    pub(super) fn new(links: Links, clock: Clock, believed: Duration) -> Self {
        let known = Cache::builder().max_capacity(CACHED).time_to_live(believed).build();
        Self { links, clock, known }
    }

    /// Who holds the key, if it may be used from where the request comes from.
    pub(super) async fn identify(&self, presented: &PresentedKey, headers: &HeaderMap) -> Result<Identity, Fault> {
        let key = match self.known.get(&presented.hash).await {
            Some(known) => known.filter(|key| self.is_current(key)).ok_or_else(invalid)?,
            None => self.load(presented).await?,
        };
        check_origin(&key, headers)?;
        identity(&key)
    }

    /// The key as the sessions service knows it now.
    pub(super) async fn load(&self, presented: &PresentedKey) -> Result<Arc<ApiKey>, Fault> {
        let request = LoadApiKeyRequest { key_id: presented.id.clone(), secret_hash: presented.hash.to_vec() };
        let link = self.links.to("sessions", &Call::system(crate::NAME)).idempotent();
        let loaded = match ApiKeyServiceClient::new(link).load_api_key(request).await {
            Ok(response) => response.into_inner().api_key.map(Arc::new),
            Err(status) if matches!(status.code(), Code::NotFound | Code::Unauthenticated) => None,
            Err(status) => return Err(not_answered(&status)),
        };
        self.known.insert(presented.hash, loaded.clone()).await;
        loaded.filter(|key| self.is_current(key)).ok_or_else(invalid)
    }

    fn is_current(&self, key: &ApiKey) -> bool {
        let expires = key.expire_time.as_ref().map(Timestamp::from_proto);
        // A time that can't be read is not taken for never.
        let expired = expires.is_some_and(|time| time.is_none_or(|time| time <= self.clock.now()));
        key.revoke_time.is_none() && !expired
    }
}

/// Browsers say where a page comes from, and can't be made to lie about it. A key of web pages is good from its own only.
fn check_origin(key: &ApiKey, headers: &HeaderMap) -> Result<(), Fault> {
    if key.kind() != ApiKeyKind::Publishable || key.origins.is_empty() {
        return Ok(());
    }
    let normal = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).map(normal);
    if origin.is_some_and(|origin| key.origins.iter().any(|allowed| normal(allowed) == origin)) {
        return Ok(());
    }
    Err(Fault::denied(
        ErrorReason::OriginDenied,
        "this key is bound to origins, and the request comes from none of them",
    ))
}

fn identity(key: &ApiKey) -> Result<Identity, Fault> {
    let audience = match key.kind() {
        ApiKeyKind::Publishable => Audience::Anonymous,
        ApiKeyKind::Secret => Audience::Service,
        ApiKeyKind::Partner => Audience::Partner,
        ApiKeyKind::Admin => Audience::Admin,
        ApiKeyKind::Unspecified => return Err(invalid()),
    };
    // A key of several channels acts in none until its request names one.
    let channel = match key.channels.as_slice() {
        [only] => *only,
        _ => Channel::Unspecified.into(),
    };
    Ok(Identity {
        audience: audience.into(),
        subject: key.key_id.clone(),
        channel,
        scopes: key.scopes.clone(),
        session: None,
        stores: Vec::new(),
        account: (!key.account_id.is_empty()).then(|| key.account_id.clone()),
        client: None,
    })
}

fn invalid() -> Fault {
    Fault::unauthenticated(ErrorReason::CredentialInvalid, "the API key is unknown, revoked or expired")
}

/// The sessions service could not say: that is not the caller's fault.
pub(super) fn not_answered(status: &Status) -> Fault {
    tracing::warn!(code = ?status.code(), error = status.message(), "the sessions service could not say who calls");
    Fault::unavailable("credentials can't be checked at the moment")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn publishable(origins: &[&str]) -> ApiKey {
        ApiKey {
            kind: ApiKeyKind::Publishable.into(),
            origins: origins.iter().map(ToString::to_string).collect(),
            ..ApiKey::default()
        }
    }

    fn from(origin: Option<&'static str>) -> HeaderMap {
        origin.map(|origin| (ORIGIN, HeaderValue::from_static(origin))).into_iter().collect()
    }

    #[test]
    fn a_key_of_web_pages_is_good_from_its_own_only() {
        let key = publishable(&["https://shop.example/"]);
        assert!(check_origin(&key, &from(Some("https://Shop.example"))).is_ok());
        for other in [None, Some("https://evil.example"), Some("https://shop.example.evil.example"), Some("null")] {
            assert_eq!(check_origin(&key, &from(other)).unwrap_err().reason(), ErrorReason::OriginDenied);
        }
        assert!(check_origin(&publishable(&[]), &from(None)).is_ok());
    }

    #[test]
    fn a_secret_may_hold_underscores() {
        let secret = "a_b-".repeat(10) + "_-_";
        let key = PresentedKey::parse(&format!("omk_shop_1_{secret}")).unwrap();
        assert_eq!(key.id, "shop_1");
        assert!(PresentedKey::parse(&format!("omk__{secret}")).is_none());
        assert!(PresentedKey::parse(&format!("omk_shop_{}", "é".repeat(22))).is_none());
    }
}
