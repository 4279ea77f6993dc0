//! What a record claims about a person, and the same as evidence.

use serde::{Deserialize, Serialize};

use super::{
    address::Address,
    birth_date::BirthDate,
    email::{Email, letters},
    name::Name,
    phone::{Phone, digits},
    text::words,
};

/// Changes when normalisation does: features of another version are made again from the claims.
const VERSION: u8 = 1;

/// What one record claims about a person: raw text, empty where it says nothing.
#[derive(Clone, Default)]
pub(crate) struct Person {
    /// Source or channel: scopes `account` and marketplaces' aliases.
    pub(crate) source: String,
    /// Comes from a marketplace, whose mails and phones are masks and relays.
    pub(crate) marketplace: bool,
    /// Asserted by a trusted system of the retailer's own, or proved; not so what a guest typed.
    pub(crate) trusted: bool,
    /// Id of the person's account in the source.
    pub(crate) account: String,
    /// Loyalty cards.
    pub(crate) cards: Vec<String>,
    /// Other identifying numbers, compared with tolerance.
    pub(crate) other_ids: Vec<String>,
    /// Name.
    pub(crate) name: String,
    /// E-mail addresses, masked ones and aliases too.
    pub(crate) emails: Vec<String>,
    /// Phone numbers, masked ones too.
    pub(crate) phones: Vec<String>,
    /// Address lines, joined by commas.
    pub(crate) address: String,
    /// City, or `district/province`.
    pub(crate) city: String,
    /// Postal code.
    pub(crate) postal_code: String,
    /// Date of birth.
    pub(crate) birth_date: String,
}

/// A record as evidence. Personal data: stored beside the record and erased with it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Features {
    #[serde(rename = "v")]
    version: u8,
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    pub(super) source: String,
    #[serde(rename = "t", default)]
    pub(super) trusted: bool,
    #[serde(rename = "m", default)]
    pub(super) marketplace: bool,
    #[serde(rename = "i", default, skip_serializing_if = "String::is_empty")]
    pub(super) account: String,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) cards: Vec<String>,
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) other_ids: Vec<String>,
    #[serde(rename = "n", default)]
    pub(super) name: Name,
    /// Letters of handles and mailboxes, which may spell a name.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) handles: Vec<String>,
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) emails: Vec<Email>,
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) phones: Vec<Phone>,
    #[serde(rename = "a", default)]
    pub(super) address: Address,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(super) birth_date: Option<BirthDate>,
}

impl Features {
    /// Normalises a record's claims.
    #[must_use]
    pub(crate) fn of(person: &Person) -> Self {
        let emails: Vec<Email> =
            unique(person.emails.iter().filter_map(|text| Email::parse(text, person.marketplace)).collect());
        let phones: Vec<Phone> = unique(person.phones.iter().filter_map(|text| Phone::parse(text)).collect());
        // A messenger's account is the phone number: it is evidence once, and as a phone, which a family shares.
        let is_phone = |account: &str| {
            Phone::parse(account).is_some_and(|phone| matches!(phone, Phone::Number(_)) && phones.contains(&phone))
        };
        let account = if is_phone(&person.account) { String::new() } else { person.account.trim().to_owned() };
        let mut handles: Vec<String> = emails
            .iter()
            .filter_map(|email| match email {
                Email::Address { local, .. } => letters(local),
                Email::Masked { .. } | Email::Alias(_) => None,
            })
            .collect();
        handles.extend(account.starts_with('@').then(|| letters(&account)).flatten());
        Self {
            version: VERSION,
            source: person.source.clone(),
            trusted: person.trusted,
            marketplace: person.marketplace,
            account,
            cards: unique(person.cards.iter().map(|card| number(card)).filter(|card| !is_dummy(card)).collect()),
            other_ids: unique(person.other_ids.iter().map(|id| number(id)).filter(|id| !is_dummy(id)).collect()),
            name: Name::parse(&person.name),
            handles: unique(handles),
            emails,
            phones,
            address: Address::parse(&person.address, &person.city, &person.postal_code),
            birth_date: BirthDate::parse(&person.birth_date),
        }
    }

    /// Whether the record itself makes a customer verified: a loyalty card, or an account at a trusted source.
    pub(super) fn is_verified(&self) -> bool {
        self.trusted && (!self.cards.is_empty() || !self.account.is_empty())
    }

    /// Whether this version of the code made them. Others are made again from the claims.
    #[must_use]
    pub(crate) fn is_current(&self) -> bool {
        self.version == VERSION
    }
}

fn unique<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut out = Vec::with_capacity(values.len());
    for value in values {
        if !out.contains(&value) {
            out.push(value);
        }
    }
    out
}

fn number(text: &str) -> String {
    words(text).concat()
}

/// `0000`, `-`, `x`: too short or one sign over and over.
fn is_dummy(id: &str) -> bool {
    id.len() < 4
        || id.chars().all(|c| id.starts_with(c))
        || (digits(id).len() == id.len() && id.trim_start_matches('0').len() < 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_being_stored() {
        let person = Person {
            source: "web".into(),
            name: "Ayşe Kaya".into(),
            emails: vec!["ayse.kaya@gmail.com".into(), "a***@gmail.com".into()],
            phones: vec!["0532 418 27 63".into(), "5** *** 27 63".into()],
            address: "Gazi Mah. Okul Sk. No:1/2".into(),
            birth_date: "1.2.1990".into(),
            ..Person::default()
        };
        let features = Features::of(&person);
        let text = serde_json::to_string(&features).unwrap();
        assert!(text.len() < 500, "{text}");
        assert!(serde_json::from_str::<Features>(&text).unwrap() == features && features.is_current());
    }

    #[test]
    fn dummies_and_phones_are_no_ids() {
        let person = Person {
            account: "905324182763".into(),
            phones: vec!["+905324182763".into()],
            cards: vec!["0000".into(), "803149702635".into()],
            ..Person::default()
        };
        let features = Features::of(&person);
        assert_eq!((features.account.as_str(), features.cards), ("", vec!["803149702635".to_owned()]));
    }
}
