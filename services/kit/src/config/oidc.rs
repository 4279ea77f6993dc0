//! Issuers of OIDC tokens.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Texts, list};

/// Whose tokens an issuer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerKind {
    /// Associates and agents.
    Staff,
    /// Customers, to identify a session.
    Customer,
}

/// An issuer whose tokens are accepted: `[[oidc]]` in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcIssuer {
    /// The claim `iss`, exactly.
    pub issuer: String,
    /// Accepted values of the claim `aud`; a token must have one of them.
    #[serde(with = "list")]
    pub audience: Vec<String>,
    /// Where its keys are; this or `jwks_file`.
    pub jwks_url: Option<String>,
    /// A file with its keys; this or `jwks_url`.
    pub jwks_file: Option<PathBuf>,
    /// Accepted signature algorithms; only asymmetric ones.
    #[serde(with = "list", default = "default_algorithms")]
    pub algorithms: Vec<String>,
    /// Whose tokens these are.
    pub kind: IssuerKind,
    /// The claim that lists roles (staff).
    #[serde(default = "default_roles_claim")]
    pub roles_claim: String,
    /// The scopes of each role (staff).
    #[serde(default)]
    pub roles: BTreeMap<String, Texts>,
    /// The claim that lists the stores, as location ids, or `*` (staff).
    #[serde(default = "default_stores_claim")]
    pub stores_claim: String,
}

fn default_algorithms() -> Vec<String> {
    ["RS256", "ES256", "EdDSA"].map(str::to_owned).to_vec()
}

fn default_roles_claim() -> String {
    "roles".to_owned()
}

fn default_stores_claim() -> String {
    "stores".to_owned()
}
