//! An issuer of OIDC tokens for staff, as a retailer's identity provider would be.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer as _, SigningKey};
use omnimesh_kit::clock::Clock;
use serde_json::json;

const NAME: &str = "https://staff.example";
const AUDIENCE: &str = "omnimesh";
const JWKS: &str = "jwks.json";
const KEY_ID: &str = "k1";

/// The scopes that the role `associate` gives: all that an RPC open to staff asks for.
const SCOPES: &[&str] = &[
    "carts.read",
    "carts.write",
    "fulfillment.write",
    "identity.assert",
    "orders.read",
    "orders.write",
    "payments.write",
    "profiles.read",
    "stock.write",
];

/// The issuer.
#[derive(Debug)]
pub struct Issuer {
    key: SigningKey,
}

impl Issuer {
    /// Writes the issuer's public key into the folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let x = B64.encode(key.verifying_key().as_bytes());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": KEY_ID, "alg": "EdDSA", "use": "sig"});
        fs::write(folder.join(JWKS), json!({"keys": [jwk]}).to_string()).unwrap();
        Self { key }
    }

    /// The section of the settings that makes the mesh trust it.
    pub(crate) fn settings(folder: &Path) -> String {
        format!(
            "[[oidc]]\nissuer = {NAME:?}\naudience = [{AUDIENCE:?}]\njwks_file = {:?}\nkind = \"staff\"\n[oidc.roles]\nassociate = {SCOPES:?}\n",
            folder.join(JWKS)
        )
    }

    /// A token of an associate who works in these stores.
    #[must_use]
    pub fn associate(&self, subject: &str, stores: &[&str]) -> String {
        let expiry = Clock::System.now().to_proto().seconds + 600;
        let claims = json!({
            "iss": NAME, "aud": AUDIENCE, "sub": subject, "exp": expiry, "roles": ["associate"], "stores": stores,
        });
        let header = json!({"alg": "EdDSA", "kid": KEY_ID, "typ": "JWT"});
        let input = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        format!("{input}.{}", B64.encode(self.key.sign(input.as_bytes()).to_bytes()))
    }
}
