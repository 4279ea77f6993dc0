//! ID tokens of OpenID Connect issuers: who a staff member or a customer is, as a provider that the retailer trusts says.
//!
//! Signature algorithms come from an allow-list of asymmetric ones, never from the token alone; keys come from the
//! issuer's JWKS, never from the token's header. <https://openid.net/specs/openid-connect-core-1_0.html>, section 3.1.3.7.

mod keys;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use omnimesh_proto::common::v1::ErrorReason;
use serde_json::{Map, Value};

use self::keys::{KeySet, Source};
use crate::{clock::Clock, config::OidcIssuer, error::Fault};

/// How far an issuer's clock may lie apart from this one.
const LEEWAY: Duration = Duration::from_secs(30);
/// Longer than any honest token, shorter than what is a burden to parse.
const MAX_LENGTH: usize = 16 * 1024;
/// OpenID Connect Core, section 2: `sub` has at most 255 ASCII characters.
const MAX_SUBJECT: usize = 255;

/// Algorithms that may be allowed. Symmetric ones are not among them: with them a public key would be a secret.
const ASYMMETRIC: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// Why a token was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The token does not prove what it says. The text names the claim, never its value.
    #[error("{0}")]
    Invalid(&'static str),
    /// The issuer's keys can't be read at the moment.
    #[error("the keys of the token's issuer can't be read at the moment")]
    Unavailable,
    /// The configuration of an issuer can't be used.
    #[error("oidc issuer {issuer}: {problem}")]
    Settings {
        /// The issuer.
        issuer: String,
        /// What is wrong and what would be accepted.
        problem: String,
    },
}

impl From<OidcError> for Fault {
    /// For tokens that are the call's own credential.
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Invalid(_) => Self::unauthenticated(ErrorReason::CredentialInvalid, error.to_string()),
            OidcError::Unavailable => Self::unavailable(error.to_string()),
            OidcError::Settings { .. } => Self::internal(error),
        }
    }
}

/// What a valid token says.
#[derive(Clone, PartialEq, Eq)]
pub struct OidcToken {
    /// The issuer.
    pub issuer: String,
    /// Who it is, in the issuer's terms: stable, never used for somebody else.
    pub subject: String,
    /// All claims. They may be personal data.
    pub claims: Map<String, Value>,
}

impl fmt::Debug for OidcToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcToken").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl OidcToken {
    /// A claim that is a text.
    #[must_use]
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// A claim that is a list of texts, or one text with words, as `scope` is.
    #[must_use]
    pub fn texts(&self, claim: &str) -> Vec<String> {
        match self.claims.get(claim) {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

/// Verifies tokens of the configured issuers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Oidc {
    issuers: Arc<[Trusted]>,
    clock: Clock,
}

#[derive(Debug)]
struct Trusted {
    issuer: String,
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    keys: KeySet,
}

impl Oidc {
    /// A verifier of these issuers' tokens; none of them is asked yet.
    ///
    /// # Errors
    /// If an issuer has no audience, not exactly one source of keys, or an algorithm that is not allowed.
    pub fn new<'a>(issuers: impl IntoIterator<Item = &'a OidcIssuer>, clock: Clock) -> Result<Self, OidcError> {
        let trusted = issuers.into_iter().map(|issuer| trust(issuer, &clock)).collect::<Result<Arc<[_]>, _>>()?;
        Ok(Self { issuers: trusted, clock })
    }

    /// Whether no issuer is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Whether the text looks like one of these tokens: three parts, unlike the mesh's own credentials.
    #[must_use]
    pub fn looks_like_token(text: &str) -> bool {
        text.starts_with("ey") && text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// What the token says, if a configured issuer signed it for a configured audience and it is valid now.
    ///
    /// # Errors
    /// If it is not, or the issuer's keys can't be read.
    pub async fn verify(&self, token: &str) -> Result<OidcToken, OidcError> {
        if token.len() > MAX_LENGTH {
            return Err(OidcError::Invalid("the token is too long"));
        }
        // An unknown algorithm, `none` among them, already fails here.
        let header = decode_header(token).map_err(|_| OidcError::Invalid("not a signed JWT"))?;
        if header.crit.is_some() {
            return Err(OidcError::Invalid("the token's header has critical extensions, none of which is known"));
        }
        // Read before it is verified, only to choose the keys that decide.
        let unverified: Map<String, Value> = jsonwebtoken::dangerous::insecure_decode_claims(token)
            .map_err(|_| OidcError::Invalid("the token's claims can't be read"))?;
        let issuer = unverified.get("iss").and_then(Value::as_str).unwrap_or_default();
        let trusted = self.issuers.iter().find(|trusted| trusted.issuer == issuer);
        let trusted = trusted.ok_or(OidcError::Invalid("the token's issuer is not a configured one"))?;
        if !trusted.algorithms.contains(&header.alg) {
            return Err(OidcError::Invalid("the token's signature algorithm is not allowed"));
        }
        let key = trusted.keys.find(header.kid.as_deref(), header.alg).await?;
        let mut validation = Validation::new(header.alg);
        // Claims are checked below by the mesh's own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = decode::<Map<String, Value>>(token, &key, &validation)
            .map_err(|_| OidcError::Invalid("the token's signature is not its issuer's"))?
            .claims;
        self.check(trusted, claims)
    }

    fn check(&self, trusted: &Trusted, claims: Map<String, Value>) -> Result<OidcToken, OidcError> {
        let now = self.clock.now().micros().div_euclid(1_000_000);
        let leeway = i64::try_from(LEEWAY.as_secs()).unwrap_or(0);
        let seconds = |claim: &str| claims.get(claim).map(|value| numeric_date(value).ok_or(()));
        match seconds("exp") {
            Some(Ok(expires)) if now < expires.saturating_add(leeway) => {}
            Some(Ok(_)) => return Err(OidcError::Invalid("the token has expired")),
            _ => return Err(OidcError::Invalid("the token has no expiry")),
        }
        for claim in ["nbf", "iat"] {
            match seconds(claim) {
                None => {}
                Some(Ok(moment)) if moment <= now.saturating_add(leeway) => {}
                Some(_) => return Err(OidcError::Invalid("the token is not valid yet")),
            }
        }
        if claims.get("iss").and_then(Value::as_str) != Some(&trusted.issuer) {
            return Err(OidcError::Invalid("the token's issuer is not a configured one"));
        }
        if !meant_for(claims.get("aud"), &trusted.audiences) {
            return Err(OidcError::Invalid("the token is for another audience"));
        }
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        if subject.is_empty() || subject.len() > MAX_SUBJECT || subject.chars().any(char::is_control) {
            return Err(OidcError::Invalid("the token has no usable subject"));
        }
        Ok(OidcToken { issuer: trusted.issuer.clone(), subject, claims })
    }
}

fn trust(issuer: &OidcIssuer, clock: &Clock) -> Result<Trusted, OidcError> {
    let wrong = |problem: String| OidcError::Settings { issuer: issuer.issuer.clone(), problem };
    if issuer.issuer.is_empty() || issuer.audience.is_empty() || issuer.audience.iter().any(String::is_empty) {
        return Err(wrong("issuer and at least one audience must be given".to_owned()));
    }
    let mut algorithms = Vec::new();
    for name in &issuer.algorithms {
        let known = ASYMMETRIC.contains(&name.as_str()).then(|| name.parse().ok()).flatten();
        algorithms.push(known.ok_or_else(|| wrong(format!("algorithm {name}: one of {ASYMMETRIC:?} is accepted")))?);
    }
    let source = match (&issuer.jwks_url, &issuer.jwks_file) {
        (Some(url), None) => Source::url(url).map_err(wrong)?,
        (None, Some(path)) => Source::File(path.clone()),
        _ => return Err(wrong("exactly one of jwks_url and jwks_file must be given".to_owned())),
    };
    let keys = KeySet::new(source, clock.clone());
    Ok(Trusted { issuer: issuer.issuer.clone(), audiences: issuer.audience.clone(), algorithms, keys })
}

/// Seconds since the epoch; a fraction (RFC 7519 allows one) is cut off.
fn numeric_date(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.to_string().split('.').next()?.parse().ok())
}

fn meant_for(audience: Option<&Value>, accepted: &[String]) -> bool {
    let one = |value: &Value| value.as_str().is_some_and(|text| accepted.iter().any(|known| known == text));
    match audience {
        Some(Value::Array(several)) => several.iter().any(one),
        Some(value) => one(value),
        None => false,
    }
}
