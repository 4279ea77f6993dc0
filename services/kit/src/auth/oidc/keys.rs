//! An issuer's public keys: read when first needed, again from time to time, and when a token names an unknown one.

use std::{fmt, io::Read as _, path::PathBuf, sync::Arc, time::Duration};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde_json::Value;
use tokio::sync::{Mutex, RwLock};

use super::OidcError;
use crate::clock::{Clock, Timestamp};

/// A key that the issuer withdrew is used no longer than this.
const FRESH: Duration = Duration::from_secs(3600);
/// While the issuer can't be reached, its last keys are used for this long.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// At most one look at the issuer in this time, however many tokens with made-up key ids arrive.
const PAUSE: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 512 * 1024;
/// 2048 bits in base64url: shorter RSA keys are not accepted (RFC 7518, section 3.3).
const MIN_RSA_MODULUS: usize = 342;

/// Where the keys are.
pub(super) enum Source {
    /// Fetched.
    Url { client: reqwest::Client, url: reqwest::Url },
    /// Read.
    File(PathBuf),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, .. } => f.debug_tuple("Url").field(&url.as_str()).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Source {
    pub(super) fn url(text: &str) -> Result<Self, String> {
        let accepted = || "jwks_url: an https URL is accepted, or http on this machine".to_owned();
        let url = reqwest::Url::parse(text).map_err(|_| accepted())?;
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && local) {
            return Err(accepted());
        }
        // The process may have installed one already: either serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
        Ok(Self::Url { client: client.map_err(|error| error.to_string())?, url })
    }

    async fn read(&self) -> Result<Vec<u8>, String> {
        let bytes = match self {
            Self::Url { client, url } => fetch(client, url.clone()).await.map_err(|error| error.to_string())?,
            Self::File(path) => {
                let path = path.clone();
                let read = move || {
                    let mut bytes = Vec::new();
                    std::fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
                };
                let done = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
                done.map_err(|error| error.to_string())?
            }
        };
        if bytes.len() > MAX_BYTES { Err(format!("more than {MAX_BYTES} bytes")) } else { Ok(bytes) }
    }
}

async fn fetch(client: &reqwest::Client, url: reqwest::Url) -> reqwest::Result<Vec<u8>> {
    let mut response = client.get(url).send().await?.error_for_status()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            break;
        }
    }
    Ok(bytes)
}

/// One issuer's keys.
pub(super) struct KeySet {
    source: Source,
    clock: Clock,
    held: RwLock<Held>,
    // Held while the issuer is asked: others wait for the answer instead of asking too.
    asking: Mutex<()>,
}

#[derive(Default)]
struct Held {
    keys: Arc<[Key]>,
    read_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    decoding: DecodingKey,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("source", &self.source).finish_non_exhaustive()
    }
}

impl KeySet {
    pub(super) fn new(source: Source, clock: Clock) -> Self {
        Self { source, clock, held: RwLock::default(), asking: Mutex::new(()) }
    }

    /// The key of that id for that algorithm.
    pub(super) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, OidcError> {
        if let Some(key) = self.known(id, algorithm, FRESH).await {
            return Ok(key);
        }
        self.refresh().await;
        if let Some(key) = self.known(id, algorithm, STALE).await {
            return Ok(key);
        }
        let held = self.held.read().await;
        let usable = held.read_at.is_some_and(|read_at| self.clock.now().since(read_at) < STALE);
        if usable {
            Err(OidcError::Invalid("the token's key is not one of its issuer's"))
        } else {
            Err(OidcError::Unavailable)
        }
    }

    async fn known(&self, id: Option<&str>, algorithm: Algorithm, age: Duration) -> Option<DecodingKey> {
        let held = self.held.read().await;
        held.read_at.filter(|read_at| self.clock.now().since(*read_at) < age)?;
        let mut fitting = held.keys.iter().filter(|key| key.fits(id, algorithm));
        let found = fitting.next()?;
        // Without an id the choice must be clear.
        (id.is_some() || fitting.next().is_none()).then(|| found.decoding.clone())
    }

    async fn refresh(&self) {
        let asked_at = self.clock.now();
        let _asking = self.asking.lock().await;
        let recently = |tried: Timestamp| tried >= asked_at || asked_at.since(tried) < PAUSE;
        if self.held.read().await.tried_at.is_some_and(recently) {
            return;
        }
        let read = self.source.read().await.and_then(|bytes| parse(&bytes));
        let mut held = self.held.write().await;
        let now = self.clock.now();
        held.tried_at = Some(now);
        match read {
            Ok(keys) => {
                held.keys = keys.into();
                held.read_at = Some(now);
            }
            Err(problem) => tracing::warn!(source = ?self.source, problem, "an issuer's keys can't be read"),
        }
    }
}

impl Key {
    fn fits(&self, id: Option<&str>, algorithm: Algorithm) -> bool {
        self.decoding.family() == family(algorithm)
            && self.algorithm.as_deref().is_none_or(|own| own.parse() == Ok(algorithm))
            && id.is_none_or(|id| self.id.as_deref() == Some(id))
    }
}

fn family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        _ => AlgorithmFamily::Rsa,
    }
}

/// The usable keys of a JWKS (RFC 7517). Keys of other kinds are left out, one at a time: an issuer may have more than the
/// mesh understands.
fn parse(bytes: &[u8]) -> Result<Vec<Key>, String> {
    let set: Value = serde_json::from_slice(bytes).map_err(|_| "not JSON".to_owned())?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("not a JWKS: no list of keys")?;
    Ok(keys.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok()).filter_map(usable).collect())
}

fn usable(jwk: Jwk) -> Option<Key> {
    let strong = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => rsa.n.trim_end_matches('=').len() >= MIN_RSA_MODULUS,
        AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) => true,
        _ => false,
    };
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    if !strong || !signs {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { id: jwk.common.key_id, algorithm: jwk.common.key_algorithm.map(|known| known.to_string()), decoding })
}
