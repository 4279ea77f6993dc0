//! Issuers of OIDC tokens for staff and for customers, as a retailer's identity provider would be.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer as _, SigningKey};
use omnimesh_kit::{clock::Clock, config::OidcIssuer};
use serde_json::{Value, json};

const STAFF: &str = "https://staff.example";
/// The issuer of the customers' tokens.
pub const CUSTOMERS: &str = "https://login.example";
const AUDIENCE: &str = "omnimesh";
const JWKS: &str = "jwks.json";
const KEY_ID: &str = "k1";

/// The scopes that the role `associate` gives: all that an RPC open to staff asks for.
const SCOPES: &[&str] = &[
    "carts.read",
    "carts.write",
    "consents.read",
    "consents.write",
    "fulfillment.write",
    "handoffs.claim",
    "identity.assert",
    "orders.read",
    "orders.write",
    "payments.write",
    "profiles.erase",
    "profiles.export",
    "profiles.merge",
    "profiles.read",
    "profiles.write",
    "returns.read",
    "returns.write",
    "stock.write",
];

/// The issuers: one key for both.
#[derive(Debug)]
pub struct Issuer {
    key: SigningKey,
}

impl Issuer {
    /// The header of its tokens.
    pub(crate) const HEADER: &str = r#"{"alg":"EdDSA","kid":"k1","typ":"JWT"}"#;

    /// Writes the issuers' public key into the folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let x = B64.encode(key.verifying_key().as_bytes());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": KEY_ID, "alg": "EdDSA", "use": "sig"});
        fs::write(folder.join(JWKS), json!({"keys": [jwk]}).to_string()).unwrap();
        Self { key }
    }

    /// The sections of the settings that make the mesh trust them.
    pub(crate) fn settings(folder: &Path) -> String {
        let section = |name: &str, kind: &str| {
            let keys = folder.join(JWKS);
            format!("[[oidc]]\nissuer = {name:?}\naudience = [{AUDIENCE:?}]\njwks_file = {keys:?}\nkind = {kind:?}\n")
        };
        let (customers, staff) = (section(CUSTOMERS, "customer"), section(STAFF, "staff"));
        format!("{customers}{staff}[oidc.roles]\nassociate = {SCOPES:?}\n")
    }

    /// A token of a customer who logged in.
    #[must_use]
    pub fn customer(&self, subject: &str) -> String {
        self.sign(&json!({"iss": CUSTOMERS, "aud": AUDIENCE, "sub": subject, "exp": expiry()}))
    }

    /// A token of an associate who works in these stores.
    #[must_use]
    pub fn associate(&self, subject: &str, stores: &[&str]) -> String {
        self.sign(&json!({
            "iss": STAFF, "aud": AUDIENCE, "sub": subject, "exp": expiry(), "roles": ["associate"], "stores": stores,
        }))
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_text(Self::HEADER, &claims.to_string())
    }

    /// The issuer of staff tokens, whose keys are in that folder.
    pub(crate) fn staff(folder: &Path) -> OidcIssuer {
        let settings =
            json!({"issuer": STAFF, "audience": [AUDIENCE], "jwks_file": folder.join(JWKS), "kind": "staff"});
        serde_json::from_value(settings).unwrap()
    }

    /// A token of any header and claims, truly signed.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", B64.encode(header), B64.encode(claims));
        format!("{input}.{}", B64.encode(self.key.sign(input.as_bytes()).to_bytes()))
    }
}

/// In ten minutes, seconds since the epoch.
fn expiry() -> i64 {
    Clock::System.now().to_proto().seconds + 600
}
