//! API keys: what a kind of key may have, and the form of its secret.

use std::{collections::BTreeSet, time::Duration};

use omnimesh_kit::{
    auth::rules,
    clock::Timestamp,
    error::Fault,
    secrets::{crockford_code, hash_token, random_token},
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::Channel,
    sessions::v1::{ApiKey as Proto, ApiKeyKind},
};

const ID_LENGTH: usize = 16;
const MAX_ENTRIES: usize = 50;
/// Ten years: longer means for ever, which is said by giving none.
const MAX_TTL: i64 = 10 * 366 * 24 * 3_600;

/// What a new key is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The kind.
    pub kind: ApiKeyKind,
    /// What people call it.
    pub display_name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Where a browser may use it from.
    pub origins: Vec<String>,
    /// The channels it may start sessions for.
    pub channels: Vec<Channel>,
    /// The channel account of a partner; empty for others.
    pub account: String,
    /// How long it lives; `None` is for ever.
    pub ttl: Option<Duration>,
}

impl KeySpec {
    /// A key of a kind without scopes, origins, channels or end.
    #[must_use]
    pub fn plain(kind: ApiKeyKind, display_name: &str) -> Self {
        Self {
            kind,
            display_name: display_name.to_owned(),
            scopes: Vec::new(),
            origins: Vec::new(),
            channels: Vec::new(),
            account: String::new(),
            ttl: None,
        }
    }

    /// The same, checked: scopes exist in the contract, and the kind may have what is given.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with every violation.
    pub fn check(mut self) -> Result<Self, Fault> {
        use ApiKeyKind::{Partner, Publishable, Secret};
        let mut v = Violations::new();
        v.check("kind", self.kind != ApiKeyKind::Unspecified, "must be a known value other than unspecified");
        if let Some(name) = v.text("display_name", self.display_name.trim(), 1..=100) {
            self.display_name = name;
        }
        let scoped = matches!(self.kind, Secret | Partner);
        v.check("scopes", scoped || self.scopes.is_empty(), "only SECRET and PARTNER keys have scopes");
        let known = known_scopes();
        for scope in self.scopes.iter().filter(|scope| !known.contains(scope.as_str())).take(3) {
            let known = known.iter().copied().collect::<Vec<_>>().join(", ");
            let shown: String = scope.chars().take(40).filter(|c| !c.is_control()).collect();
            v.add("scopes", format!("{shown} is not one of {known}"));
        }
        let publishable = self.kind == Publishable;
        v.check("origins", publishable || self.origins.is_empty(), "only PUBLISHABLE keys have origins");
        v.check(
            "origins",
            self.origins.iter().all(|origin| is_origin(origin)),
            "origins have the form https://shop.example",
        );
        v.check(
            "channels",
            !self.channels.contains(&Channel::Unspecified),
            "must be known values other than unspecified",
        );
        v.check(
            "account_id",
            (self.kind == Partner) != self.account.is_empty(),
            "PARTNER keys need one, others have none",
        );
        if let Some(account) = v.text("account_id", &self.account, 0..=100) {
            self.account = account;
        }
        let entries = self.scopes.len().max(self.origins.len()).max(self.channels.len());
        v.check("scopes, origins, channels", entries <= MAX_ENTRIES, "at most 50 of each are accepted");
        v.finish()?;
        for list in [&mut self.scopes, &mut self.origins] {
            list.sort_unstable();
            list.dedup();
        }
        self.channels.sort_unstable_by_key(|channel| *channel as i32);
        self.channels.dedup();
        Ok(self)
    }
}

/// How long a key lives, as asked.
///
/// # Errors
/// INVALID_ARGUMENT if it is not positive or over ten years.
pub(crate) fn ttl(ttl: Option<prost_types::Duration>) -> Result<Option<Duration>, Fault> {
    let Some(ttl) = ttl else { return Ok(None) };
    let fits = (0..=MAX_TTL).contains(&ttl.seconds) && ttl.nanos >= 0 && (ttl.seconds > 0 || ttl.nanos > 0);
    let given = fits.then(|| Duration::try_from(ttl).ok()).flatten();
    given.map(Some).ok_or_else(|| Fault::invalid("ttl", "must be over 0 and at most ten years, or absent for ever"))
}

/// Every scope that a rule of the contract asks for.
#[must_use]
pub(crate) fn known_scopes() -> BTreeSet<&'static str> {
    rules().flat_map(|rule| rule.scopes.iter().map(String::as_str)).chain(["identity.assert"]).collect()
}

/// Scheme and host, perhaps a port, nothing after it: what a browser sends as Origin.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let (name, port) = host.split_once(':').unwrap_or((host, "80"));
        !name.is_empty()
            && text.len() <= 255
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKey {
    /// The id within `omk_<id>_<secret>`.
    pub id: String,
    /// SHA-256 of the whole key.
    pub secret_hash: [u8; 32],
    /// What it is.
    pub spec: KeySpec,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// A new key and its secret, which is not kept.
    #[must_use]
    pub(crate) fn generate(spec: KeySpec, now: Timestamp) -> (Self, String) {
        let id = crockford_code(ID_LENGTH).to_lowercase();
        let secret = random_token(&format!("omk_{id}"));
        let expires_at = spec.ttl.map(|ttl| now.plus(ttl));
        let key = Self { id, secret_hash: hash_token(&secret), spec, created_at: now, expires_at, revoked_at: None };
        (key, secret)
    }

    /// Whether it is good at that moment.
    #[must_use]
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// The contract's form.
    #[must_use]
    pub(crate) fn to_proto(&self) -> Proto {
        Proto {
            key_id: self.id.clone(),
            kind: self.spec.kind.into(),
            display_name: self.spec.display_name.clone(),
            scopes: self.spec.scopes.clone(),
            origins: self.spec.origins.clone(),
            channels: self.spec.channels.iter().map(|channel| (*channel).into()).collect(),
            account_id: self.spec.account.clone(),
            create_time: Some(self.created_at.to_proto()),
            expire_time: self.expires_at.map(Timestamp::to_proto),
            revoke_time: self.revoked_at.map(Timestamp::to_proto),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: ApiKeyKind, change: impl FnOnce(&mut KeySpec)) -> Result<KeySpec, Fault> {
        let mut spec = KeySpec::plain(kind, "till 3");
        change(&mut spec);
        spec.check()
    }

    #[test]
    fn kinds_have_what_is_theirs() {
        use ApiKeyKind::{Admin, Partner, Publishable, Secret, Unspecified};
        let scope = || vec!["identity.assert".to_owned()];
        assert!(
            spec(Publishable, |s| s.origins =
                vec!["https://shop.example".to_owned(), "http://localhost:5173".to_owned()])
            .is_ok()
        );
        assert!(spec(Secret, |s| s.scopes = scope()).is_ok());
        assert!(spec(Partner, |s| s.account = "acme".to_owned()).is_ok());
        assert!(spec(Admin, |_| ()).is_ok());
        for wrong in [
            spec(Unspecified, |_| ()),
            spec(Admin, |s| s.display_name = " ".to_owned()),
            spec(Admin, |s| s.scopes = scope()),
            spec(Publishable, |s| s.scopes = scope()),
            spec(Secret, |s| s.scopes = vec!["everything".to_owned()]),
            spec(Secret, |s| s.origins = vec!["https://shop.example".to_owned()]),
            spec(Secret, |s| s.account = "acme".to_owned()),
            spec(Partner, |_| ()),
            spec(Secret, |s| s.channels = vec![Channel::Unspecified]),
        ] {
            assert!(wrong.is_err(), "{wrong:?}");
        }
        for bad in [
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://shop.example/x",
            "https://a b",
            "https://Shop.example",
            "https://x:0",
            "*",
        ] {
            assert!(spec(Publishable, |s| s.origins = vec![bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_names_its_id_and_dies() {
        let now = Timestamp::from_micros(1_000_000);
        let mut spec = KeySpec::plain(ApiKeyKind::Admin, "x");
        spec.ttl = ttl(Some(prost_types::Duration { seconds: 10, nanos: 0 })).unwrap();
        let (mut key, secret) = ApiKey::generate(spec, now);
        let rest = secret.strip_prefix("omk_").unwrap();
        let (id, random) = rest.split_once('_').unwrap();
        assert_eq!((id, random.len()), (key.id.as_str(), 43));
        assert_eq!(key.secret_hash, hash_token(&secret));
        assert!(key.is_valid(now.plus(Duration::from_secs(9))));
        assert!(!key.is_valid(now.plus(Duration::from_secs(10))));
        key.revoked_at = Some(now);
        assert!(!key.is_valid(now));
        for bad in [(0, 0), (-1, 0), (i64::MAX, 0), (1, -1)] {
            assert!(ttl(Some(prost_types::Duration { seconds: bad.0, nanos: bad.1 })).is_err(), "{bad:?}");
        }
    }
}
