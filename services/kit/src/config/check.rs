//! The checks at start: better a refusal that says what to set than a mesh that half works.

use http::Uri;

use super::{Error, OidcIssuer, Settings};

/// Signatures that need no shared secret. HS* and `none` are never accepted.
const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

type Problems = Vec<(String, String)>;

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut problems = Problems::new();
        self.check_targets(&mut problems);
        self.check_stores(&mut problems);
        self.check_addresses(&mut problems);
        self.check_edge(&mut problems);
        for (index, issuer) in self.oidc.iter().enumerate() {
            check_issuer(&format!("oidc.{index}"), issuer, self.is_development(), &mut problems);
        }
        Error::all(problems)
    }

    fn check_targets(&self, problems: &mut Problems) {
        for target in self.targets.iter().filter(|target| !self.is_known(target)) {
            add(problems, "targets", format!("there is no target {target}; known: {}", self.known()));
        }
    }

    fn is_known(&self, target: &str) -> bool {
        self.known_targets.iter().chain(&self.known_connectors).any(|known| known == target)
    }

    fn known(&self) -> String {
        [self.known_targets.as_slice(), &self.known_connectors].concat().join(", ")
    }

    /// Several processes share their stores and their secret, or they are several meshes.
    fn check_stores(&self, problems: &mut Problems) {
        let scheme = |url: &str, schemes: &[&str]| schemes.iter().any(|scheme| url.starts_with(scheme));
        if let Some(url) = &self.database_url
            && !scheme(url.expose(), &["postgres://", "postgresql://"])
        {
            add(problems, "database_url", "must begin with postgres://");
        }
        if let Some(url) = &self.redis_url
            && !scheme(url.expose(), &["redis://", "unix://"])
        {
            add(problems, "redis_url", "must begin with redis://");
        }
        if self.runs_all() {
            return;
        }
        let why = "must be set when a process runs only some of the services, because they share it with the others";
        // Connectors keep nothing.
        if self.database_url.is_none() && !self.targets.iter().all(|target| self.known_connectors.contains(target)) {
            add(problems, "database_url", format!("{why}: postgres://user:password@host/database"));
        }
        if self.redis_url.is_none() {
            add(problems, "redis_url", format!("{why}: redis://host:6379"));
        }
        if self.secret.is_none() {
            add(problems, "secret", format!("{why}: 32 bytes in base64, such as `openssl rand -base64 32` prints"));
        }
        if self.internal_listen.port() == 0 && self.targets.iter().any(|target| target != "gateway") {
            add(problems, "internal_listen", "must name a port, so that the other processes find this one");
        }
    }

    fn check_addresses(&self, problems: &mut Problems) {
        let (scheme, is_set) = if self.internal_tls.is_some() { ("https", "is set") } else { ("http", "is not set") };
        for (target, addresses) in &self.addresses {
            let key = format!("addresses.{target}");
            if !self.is_known(target) {
                add(problems, &key, format!("there is no target {target}; known: {}", self.known()));
            }
            for address in addresses.iter() {
                if !is_base_url(address) {
                    add(problems, &key, format!("{address} must have the form {scheme}://host:port"));
                } else if !address.starts_with(&format!("{scheme}://")) {
                    add(
                        problems,
                        &key,
                        format!("{address} must begin with {scheme}://, because internal_tls {is_set}"),
                    );
                }
            }
        }
        if self.runs_all() || !self.runs("gateway") {
            return;
        }
        let missing = self.known_targets.iter().filter(|target| !self.runs(target));
        for target in missing.filter(|target| self.addresses.get(*target).is_none_or(|list| list.is_empty())) {
            let key = format!("addresses.{target}");
            add(
                problems,
                &key,
                format!("must be set, as {scheme}://host:port, because the gateway routes to {target}"),
            );
        }
    }

    fn check_edge(&self, problems: &mut Problems) {
        if !(1_024..=64 * 1_024 * 1_024).contains(&self.limits.message_bytes) {
            add(problems, "limits.message_bytes", "must be from 1024 to 67108864");
        }
        let limits = &self.limits;
        let limits =
            [("per_key", limits.per_key), ("per_session", limits.per_session), ("per_address", limits.per_address)];
        for (name, limit) in limits {
            if limit.requests == 0 || limit.seconds == 0 {
                add(problems, &format!("limits.{name}"), "requests and seconds must be at least 1");
            }
        }
        for origin in self.cors.allowed_origins.iter().filter(|origin| *origin != "*" && !is_base_url(origin)) {
            add(problems, "cors.allowed_origins", format!("{origin} must be * or have the form https://host"));
        }
        let tls = self.tls.iter().flat_map(|tls| [("tls.cert_file", &tls.cert_file), ("tls.key_file", &tls.key_file)]);
        let internal = self.internal_tls.iter().flat_map(|tls| {
            [
                ("internal_tls.cert_file", &tls.cert_file),
                ("internal_tls.key_file", &tls.key_file),
                ("internal_tls.ca_file", &tls.ca_file),
            ]
        });
        for (key, path) in tls.chain(internal).filter(|(_, path)| !path.is_file()) {
            add(problems, key, format!("there is no file {}", path.display()));
        }
    }
}

fn check_issuer(key: &str, issuer: &OidcIssuer, development: bool, problems: &mut Problems) {
    if issuer.issuer.is_empty() {
        add(problems, &format!("{key}.issuer"), "must be the issuer's URL");
    }
    if issuer.audience.is_empty() {
        add(problems, &format!("{key}.audience"), "must name at least one accepted audience");
    }
    match (&issuer.jwks_url, &issuer.jwks_file) {
        (Some(url), None) => {
            let secure = url.starts_with("https://") || (development && url.starts_with("http://"));
            if !secure || url.parse::<Uri>().is_err() {
                add(problems, &format!("{key}.jwks_url"), "must be an https:// URL");
            }
        }
        (None, Some(path)) if path.is_file() => {}
        (None, Some(path)) => {
            add(problems, &format!("{key}.jwks_file"), format!("there is no file {}", path.display()))
        }
        _ => add(problems, key, "exactly one of jwks_url and jwks_file must be set"),
    }
    for algorithm in issuer.algorithms.iter().filter(|algorithm| !ALGORITHMS.contains(&algorithm.as_str())) {
        add(problems, &format!("{key}.algorithms"), format!("{algorithm} is not among {}", ALGORITHMS.join(", ")));
    }
    if issuer.algorithms.is_empty() {
        add(problems, &format!("{key}.algorithms"), format!("must name at least one of {}", ALGORITHMS.join(", ")));
    }
}

fn add(problems: &mut Problems, key: &str, problem: impl Into<String>) {
    problems.push((key.to_owned(), problem.into()));
}

/// Scheme, host and perhaps a port, and nothing after it.
fn is_base_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some()
        && matches!(uri.path(), "" | "/")
        && uri.query().is_none()
}
