//! Settings: defaults that work < `omnimesh.toml` < `OMNIMESH_*` < flags, checked at start.
//!
//! A key `a.b` is `[a] b = …` in the file and `OMNIMESH_A__B` in the environment.

mod check;
mod effective;
mod error;
mod list;
mod oidc;
mod sources;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use figment::Figment;
use ipnet::IpNet;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    private::Private,
    ratelimit::Limit,
    secrets::{SecretError, Secrets},
};

pub use error::{Error, variable};
pub use list::Texts;
pub use oidc::{IssuerKind, OidcIssuer};
pub use sources::{Flags, Sources};

/// The settings that every process reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Where the gateway listens.
    pub listen: SocketAddr,
    /// The folder of the embedded stores and of the secret.
    pub data_dir: PathBuf,
    /// `postgres://…`; without it each service has a SQLite file in the data folder.
    pub database_url: Option<Private<String>>,
    /// `redis://…`; without it bus, live sessions and limits stay in this process.
    pub redis_url: Option<Private<String>>,
    /// The services that this process runs; none named is all.
    #[serde(with = "list")]
    pub targets: Vec<String>,
    /// Where the services of this process listen for the other processes.
    pub internal_listen: SocketAddr,
    /// Where the services of other processes are: target to `http://host:port`, one or more; with
    /// `internal_tls` to `https://host:port`.
    pub addresses: BTreeMap<String, Texts>,
    /// The root secret, 32 bytes in base64; without it the file `secret` in the data folder, made at the first start.
    pub secret: Option<Private<String>>,
    /// Whether conveniences for development are on, such as printed verification codes: see [`Settings::is_development`].
    pub development: Option<bool>,
    /// Browsers of other origins.
    pub cors: Cors,
    /// Networks of proxies whose `Forwarded` and `X-Forwarded-For` are believed.
    #[serde(with = "list")]
    pub trusted_proxies: Vec<IpNet>,
    /// Issuers of OIDC tokens that are accepted.
    pub oidc: Vec<OidcIssuer>,
    /// TLS at the gateway.
    pub tls: Option<Tls>,
    /// Mutual TLS between processes.
    pub internal_tls: Option<InternalTls>,
    /// What one caller may use.
    pub limits: Limits,
    /// Logging.
    pub log: Log,
    #[serde(skip)]
    source: Private<Figment>,
    #[serde(skip)]
    known_targets: Vec<String>,
    #[serde(skip)]
    known_connectors: Vec<String>,
    #[serde(skip)]
    sections: Vec<String>,
}

/// Browsers of other origins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// Origins such as `https://shop.example`; `*` is every origin.
    #[serde(with = "list")]
    pub allowed_origins: Vec<String>,
}

/// TLS at the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

/// Mutual TLS between processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InternalTls {
    /// This process's certificate chain, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
    /// The authority that signs every process's certificate, PEM.
    pub ca_file: PathBuf,
}

/// What one caller may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest message, in bytes.
    pub message_bytes: usize,
    /// Calls of one API key.
    pub per_key: Limit,
    /// Calls of one session.
    pub per_session: Limit,
    /// Session starts and guesses of codes from one address.
    pub per_address: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 4 * 1_024 * 1_024,
            per_key: Limit::new(12_000, 60),
            per_session: Limit::new(1_200, 60),
            per_address: Limit::new(120, 60),
        }
    }
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Levels by module, in the form of `RUST_LOG`.
    pub filter: String,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people on a terminal, else for machines.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            data_dir: PathBuf::from("omnimesh-data"),
            database_url: None,
            redis_url: None,
            targets: Vec::new(),
            internal_listen: (Ipv4Addr::LOCALHOST, 0).into(),
            addresses: BTreeMap::new(),
            secret: None,
            development: None,
            cors: Cors::default(),
            trusted_proxies: Vec::new(),
            oidc: Vec::new(),
            tls: None,
            internal_tls: None,
            limits: Limits::default(),
            log: Log::default(),
            source: Private::default(),
            known_targets: Vec::new(),
            known_connectors: Vec::new(),
            sections: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// If a source can't be read, a value has the wrong form, or values contradict each other: names every key concerned.
    pub fn load(sources: &Sources) -> Result<Self, Error> {
        let figment = sources.figment()?;
        let mut settings: Self = figment.extract()?;
        settings.source = Private::new(figment);
        settings.known_targets.clone_from(&sources.known_targets);
        settings.known_connectors.clone_from(&sources.known_connectors);
        let targets = sources.known_targets.iter().chain(&sources.known_connectors);
        settings.sections = targets.chain(&sources.known_sections).cloned().collect();
        settings.check()?;
        Ok(settings)
    }

    /// A service's own section: `[carts]` in the file, `OMNIMESH_CARTS__FIELD` in the environment. Absent fields keep their
    /// defaults: the type has `#[serde(default, deny_unknown_fields)]`.
    ///
    /// # Errors
    /// If a value has the wrong form.
    pub fn section<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, Error> {
        if self.source.expose().find_value(name).is_err() {
            return Ok(T::default());
        }
        Ok(self.source.expose().extract_inner(name).map_err(|mut error| {
            // figment puts the section after the field.
            error.path.rotate_right(1);
            error
        })?)
    }

    /// Whether this process runs that service.
    #[must_use]
    pub fn runs(&self, target: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|named| named == target)
    }

    /// Whether this process runs every service; connectors may run elsewhere.
    #[must_use]
    pub fn runs_all(&self) -> bool {
        self.targets.is_empty() || self.known_targets.iter().all(|target| self.runs(target))
    }

    /// Whether conveniences for development are on: as configured, and if nothing is, when the stores are embedded.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.development.unwrap_or(self.database_url.is_none() && self.redis_url.is_none())
    }

    /// The installation's secrets.
    ///
    /// # Errors
    /// If the secret is malformed, its file can't be read or written, or others may read it.
    pub fn secrets(&self) -> Result<Secrets, SecretError> {
        Secrets::load(self.secret.as_ref().map(|secret| secret.expose().as_str()), &self.data_dir)
    }
}

#[cfg(test)]
mod tests;
