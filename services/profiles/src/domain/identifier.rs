//! What a customer is known by: checked and normalised, so that equal ones are equal texts.

use omnimesh_kit::{contact::Contact, text::nfc};
use omnimesh_proto::profiles::v1::{IdentifierType, VerifiedIdentifier};

/// A normalised identifier. Personal data.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identifier {
    /// The type.
    pub(crate) kind: i32,
    /// The normalised value.
    pub(crate) value: String,
}

impl std::fmt::Debug for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identifier({}, ***)", self.kind)
    }
}

impl Identifier {
    /// The normalised form of one that was proved.
    pub(crate) fn parse(said: &VerifiedIdentifier) -> Result<Self, String> {
        let value = match said.r#type() {
            IdentifierType::Unspecified => Err("type: must be a known value other than unspecified".to_owned()),
            IdentifierType::Email => contact(Contact::email(&said.value)),
            IdentifierType::Phone => contact(Contact::phone(&said.value, None)),
            IdentifierType::OidcSubject => oidc_subject(&said.value),
            IdentifierType::LoyaltyCard => card_number(&said.value),
            IdentifierType::Login | IdentifierType::Device | IdentifierType::NationalId => {
                Err("type: a login, device or authority's number is recorded by RecordAssertions".to_owned())
            }
        }?;
        Ok(Self { kind: said.r#type, value })
    }

    /// The normalised form of one that a channel claims. `realm` is the channel or account, which login ids are good within.
    pub(crate) fn claimed(kind: IdentifierType, value: &str, realm: &str) -> Result<Self, String> {
        let value = match kind {
            IdentifierType::Unspecified => Err("type: must be a known value other than unspecified".to_owned()),
            IdentifierType::Email => contact(Contact::email(value)),
            IdentifierType::Phone => contact(Contact::phone(value, None)),
            IdentifierType::OidcSubject => oidc_subject(value),
            IdentifierType::LoyaltyCard => card_number(value),
            IdentifierType::Login => opaque(value).map(|value| format!("{realm} {value}")),
            IdentifierType::Device => opaque(value),
            IdentifierType::NationalId => authority_number(value),
        }?;
        Ok(Self { kind: kind.into(), value })
    }

    /// Within what a person has a limited number of such identifiers: the issuer of an OIDC subject, the channel or account of
    /// a login; else everywhere.
    pub(crate) fn realm(kind: i32, value: &str) -> &str {
        let scoped = [IdentifierType::OidcSubject, IdentifierType::Login].map(i32::from).contains(&kind);
        value.split_once(' ').filter(|_| scoped).map_or("", |(realm, _)| realm)
    }
}

fn contact(contact: Result<Contact, impl std::fmt::Display>) -> Result<String, String> {
    contact.map(|contact| contact.expose().to_owned()).map_err(|error| format!("value: {error}"))
}

/// `<issuer> <subject>`: both are compared exactly, so nothing is folded.
fn oidc_subject(text: &str) -> Result<String, String> {
    let fits = text.len() <= 600 && !text.chars().any(char::is_control);
    match text.split_once(' ') {
        Some((issuer, subject)) if fits && !issuer.is_empty() && !subject.is_empty() => Ok(text.to_owned()),
        _ => Err("value: an issuer, a space and a subject are accepted".to_owned()),
    }
}

/// Compared as it stands, but for spaces around it.
fn opaque(text: &str) -> Result<String, String> {
    let text = nfc(text.trim());
    if (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err("value: 1 to 200 characters are accepted".to_owned())
    }
}

/// Letters in upper case and digits; what only makes it readable is left out. `0000` is a card that nobody has.
fn card_number(text: &str) -> Result<String, String> {
    let number = plain(text);
    let fits = (4..=40).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = number.chars().next();
    if fits && number.chars().any(|c| Some(c) != first) {
        Ok(number)
    } else {
        Err("value: a card number of 4 to 40 letters and digits, not all the same, is accepted".to_owned())
    }
}

fn authority_number(text: &str) -> Result<String, String> {
    let number = plain(text);
    if (4..=40).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(number)
    } else {
        Err("value: a number of 4 to 40 letters and digits is accepted".to_owned())
    }
}

fn plain(text: &str) -> String {
    nfc(text).chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '/')).collect::<String>().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: IdentifierType, value: &str) -> Result<String, String> {
        let said = VerifiedIdentifier { r#type: kind.into(), value: value.to_owned() };
        Identifier::parse(&said).map(|identifier| identifier.value)
    }

    #[test]
    fn normalises() {
        use IdentifierType::{Email, LoyaltyCard, OidcSubject, Phone, Unspecified};
        assert_eq!(parse(Email, " Ada@Shop.Example ").unwrap(), "ada@shop.example");
        assert_eq!(parse(Phone, "+90 532 123 45 67").unwrap(), "+905321234567");
        assert_eq!(parse(OidcSubject, "https://login.example Ada").unwrap(), "https://login.example Ada");
        assert_eq!(parse(LoyaltyCard, " ab12-3456 ").unwrap(), "AB123456");
        for (kind, bad) in [
            (Unspecified, "ada@shop.example"),
            (Email, "ada"),
            (Phone, "0532 123 45 67"),
            (OidcSubject, "ada"),
            (OidcSubject, " ada"),
            (LoyaltyCard, "0000"),
            (LoyaltyCard, "123"),
            (LoyaltyCard, "12;34"),
        ] {
            let error = parse(kind, bad).unwrap_err();
            assert!(!error.contains(bad), "an error must not repeat {bad}");
        }
        assert_eq!(format!("{:?}", Identifier { kind: 1, value: "ada@shop.example".to_owned() }), "Identifier(1, ***)");
    }

    #[test]
    fn logins_are_good_within_their_realm() {
        use IdentifierType::{Device, Login, LoyaltyCard, NationalId, OidcSubject};
        let claimed = |kind, value| Identifier::claimed(kind, value, "WEB").map(|identifier| identifier.value);
        assert_eq!(claimed(Login, " 17 ").unwrap(), "WEB 17");
        assert_eq!(claimed(Device, "d 1").unwrap(), "d 1");
        assert_eq!(claimed(NationalId, "100 000-00").unwrap(), "10000000");
        for (kind, bad) in [(Login, " "), (Device, "\u{1}"), (NationalId, "1"), (OidcSubject, "x")] {
            assert!(claimed(kind, bad).is_err(), "{kind:?}");
        }
        let realms = [(Login, "WEB 17"), (OidcSubject, "https://a b"), (LoyaltyCard, "A B"), (Login, "x")];
        assert_eq!(realms.map(|(kind, value)| Identifier::realm(kind.into(), value)), ["WEB", "https://a", "", ""]);
    }
}
