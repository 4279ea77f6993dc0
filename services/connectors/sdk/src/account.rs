//! Accounts at the vendor: their credentials come by reference and leave in requests to the vendor alone.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use omnimesh_kit::{
    call::Call,
    clock::{Clock, Timestamp},
    config,
    error::Fault,
    links::Links,
    private::Private,
};
use omnimesh_proto::channels::v1::{OpenCredentialsRequest, channel_service_client::ChannelServiceClient};
use serde::{Deserialize, Deserializer, de};

use crate::{Manifest, Vendor};

/// What is shorter says nothing, and hiding it would hide half of every text.
const SHORTEST_SECRET: usize = 4;
/// How references to what channels keeps begin.
const KEPT_BY_CHANNELS: &str = "chan_";
/// For how long what was opened is used without asking again. A rotation changes the reference.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// An account's values as configured, by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Fields(BTreeMap<String, Value>);

/// A value. Variables of the environment that look like numbers come as numbers.
#[derive(Clone, Debug)]
struct Value(Private<String>);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = String;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
                Ok(text.to_owned())
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
                Ok(number.to_string())
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
                Ok(number.to_string())
            }
        }
        deserializer.deserialize_any(Text).map(|text| Self(Private::new(text)))
    }
}

impl Fields {
    /// The value of that name, unless it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.0.expose().as_str()).filter(|value| !value.is_empty())
    }

    /// The value of that name, in the type that hides it; empty if there is none.
    #[must_use]
    pub fn private(&self, name: &str) -> Private<String> {
        Private::new(self.get(name).unwrap_or_default().to_owned())
    }

    /// What keeps these values from being an account of that vendor.
    fn problem(&self, manifest: &Manifest) -> Option<(String, String)> {
        let named = |name: &&String| manifest.fields.iter().any(|field| field.name == **name);
        if let Some(unknown) = self.0.keys().find(|name| !named(name)) {
            let known: Vec<_> = manifest.fields.iter().map(|field| field.name.as_str()).collect();
            return Some((unknown.clone(), format!("is no field of an account; known: {}", known.join(", "))));
        }
        let missing = manifest.fields.iter().find(|field| field.required && self.get(&field.name).is_none())?;
        Some((missing.name.clone(), format!("must be given: {}", missing.description)))
    }
}

impl<const N: usize> From<[(&str, String); N]> for Fields {
    fn from(fields: [(&str, String); N]) -> Self {
        Self(fields.map(|(name, value)| (name.to_owned(), Value(Private::new(value)))).into())
    }
}

/// An account, ready for calls.
pub struct Account<A> {
    /// What the vendor's requests need of it.
    pub own: A,
    /// Whose budgets it uses: two references to one seller share them.
    pub seller: String,
    secrets: Vec<Private<String>>,
}

impl<A> Account<A> {
    /// The text without any secret of the account, in whatever form: a vendor may echo what it was sent.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "***"))
    }
}

impl<A> fmt::Debug for Account<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

/// What channels opened, by reference, and until when it is used.
type Opened<A> = HashMap<String, (Timestamp, Arc<Account<A>>)>;

/// Every account that this connector was given, by reference: those of its settings, and those that channels keeps, which are asked for
/// when they are needed.
pub struct Accounts<A> {
    configured: BTreeMap<String, Arc<Account<A>>>,
    links: Links,
    clock: Clock,
    // Never for long: what channels keeps may be withdrawn.
    opened: Mutex<Opened<A>>,
}

impl<A> fmt::Debug for Accounts<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.configured.keys()).finish()
    }
}

impl<A> Accounts<A> {
    /// The accounts of the vendor's section of the settings, and the way to channels, which keeps the others.
    ///
    /// # Errors
    /// If one can't be used; names it and what would be accepted, never a value.
    pub fn new<V: Vendor<Account = A>>(
        vendor: &V,
        given: BTreeMap<String, Fields>,
        links: Links,
        clock: Clock,
    ) -> Result<Self, config::Error> {
        let mut configured = BTreeMap::new();
        for (reference, fields) in given {
            let account = ready(vendor, &fields).map_err(|(field, problem)| {
                config::Error::at(format!("{}.accounts.{reference}.{field}", vendor.manifest().vendor), problem)
            })?;
            configured.insert(reference, Arc::new(account));
        }
        Ok(Self { configured, links, clock, opened: Mutex::default() })
    }

    /// The account of that reference.
    ///
    /// # Errors
    /// NOT_FOUND; UNAVAILABLE if channels does not answer.
    pub async fn open<V: Vendor<Account = A>>(&self, vendor: &V, reference: &str) -> Result<Arc<Account<A>>, Fault> {
        if let Some(account) = self.configured.get(reference) {
            return Ok(account.clone());
        }
        let unknown = || Fault::not_found("credentials", "");
        if !reference.starts_with(KEPT_BY_CHANNELS) {
            return Err(unknown());
        }
        let now = self.clock.now();
        if let Some((until, account)) = self.opened().get(reference)
            && now < *until
        {
            return Ok(account.clone());
        }
        let call = Call::system(vendor.manifest().vendor);
        let mut channels = ChannelServiceClient::new(self.links.to("channels", &call).idempotent());
        let request = OpenCredentialsRequest { credentials_ref: reference.to_owned() };
        let answer = channels.open_credentials(request).await.map_err(Fault::upstream)?.into_inner();
        let fields = answer.fields.into_iter().map(|(name, value)| (name, Value(Private::new(value)))).collect();
        let account = ready(vendor, &Fields(fields))
            .map_err(|(field, problem)| Fault::invalid(format!("fields.{field}"), problem))?;
        let account = Arc::new(account);
        let mut opened = self.opened();
        opened.retain(|_, (until, _)| now < *until);
        opened.insert(reference.to_owned(), (now.plus(KEPT_FOR), account.clone()));
        Ok(account)
    }

    fn opened(&self) -> MutexGuard<'_, Opened<A>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An account of that vendor; else the field that keeps it from being one, and why.
fn ready<V: Vendor>(vendor: &V, fields: &Fields) -> Result<Account<V::Account>, (String, String)> {
    let manifest = vendor.manifest();
    if let Some(problem) = fields.problem(manifest) {
        return Err(problem);
    }
    let own = vendor.account(fields)?;
    Ok(Account { seller: vendor.seller(&own), own, secrets: secrets(manifest, fields) })
}

/// The forms in which an account's secrets may come back: as they are, and as `Authorization: Basic` has any two of them.
fn secrets(manifest: &Manifest, fields: &Fields) -> Vec<Private<String>> {
    let secret = manifest.fields.iter().filter(|field| field.secret).filter_map(|field| fields.get(&field.name));
    let secret: Vec<_> = secret.filter(|value| value.len() >= SHORTEST_SECRET).collect();
    let values: Vec<_> = manifest.fields.iter().filter_map(|field| fields.get(&field.name)).collect();
    let pairs = values.iter().flat_map(|user| secret.iter().map(move |pass| STANDARD.encode(format!("{user}:{pass}"))));
    let mut all: Vec<_> = secret.iter().map(|value| (*value).to_owned()).chain(pairs).collect();
    // The longest first: one may be part of another.
    all.sort_by_key(|value| std::cmp::Reverse(value.len()));
    all.into_iter().map(Private::new).collect()
}
