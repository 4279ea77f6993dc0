//! Accounts at the vendor: their credentials come by reference and leave in requests to the vendor alone.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use omnimesh_kit::{config, error::Fault, private::Private};
use serde::{Deserialize, Deserializer, de};

use crate::{Manifest, Vendor};

/// What is shorter says nothing, and hiding it would hide half of every text.
const SHORTEST_SECRET: usize = 4;

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

/// Every account that this connector was given, by reference.
pub struct Accounts<A>(BTreeMap<String, Account<A>>);

impl<A> fmt::Debug for Accounts<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<A> Accounts<A> {
    /// The accounts of the vendor's section of the settings.
    ///
    /// # Errors
    /// If one can't be used; names it and what would be accepted, never a value.
    pub fn new<V: Vendor<Account = A>>(vendor: &V, given: BTreeMap<String, Fields>) -> Result<Self, config::Error> {
        let manifest = vendor.manifest();
        let mut accounts = BTreeMap::new();
        for (reference, fields) in given {
            let at = |(field, problem): (String, String)| {
                config::Error::at(format!("{}.accounts.{reference}.{field}", manifest.vendor), problem)
            };
            if let Some(problem) = fields.problem(manifest) {
                return Err(at(problem));
            }
            let own = vendor.account(&fields).map_err(at)?;
            let secrets = secrets(manifest, &fields);
            accounts.insert(reference, Account { seller: vendor.seller(&own), own, secrets });
        }
        Ok(Self(accounts))
    }

    /// The account of that reference.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub fn open(&self, reference: &str) -> Result<&Account<A>, Fault> {
        self.0.get(reference).ok_or_else(|| Fault::not_found("credentials", reference))
    }
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
