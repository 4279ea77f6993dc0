//! Addresses of people: e-mail addresses in lower case and NFC, phone numbers in E.164, so that equal ones are equal texts.

use std::fmt;

use omnimesh_proto::common::v1::{Contact as Proto, contact::Value};
use unicode_normalization::UnicodeNormalization;

use crate::{locale::Locale, private::Private, text::nfc};

/// A normalised address. Personal data: it prints as its kind only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Contact {
    /// An e-mail address.
    Email(Private<String>),
    /// A phone number in E.164.
    Phone(Private<String>),
}

/// An address that can't be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// Neither kind.
    #[error("an e-mail address or a phone number must be given")]
    Missing,
    /// Not an e-mail address.
    #[error("an e-mail address such as name@shop.example is accepted")]
    Email,
    /// Not a phone number.
    #[error(
        "a phone number in E.164, such as +905321234567, or in the national form of the session's country is accepted"
    )]
    Phone,
}

impl Contact {
    /// The normalised form. A phone number in national form is read by the locale's country.
    ///
    /// # Errors
    /// If it can't be an address of its kind.
    pub fn parse(contact: &Proto, locale: Option<&Locale>) -> Result<Self, ContactError> {
        match &contact.value {
            Some(Value::Email(email)) => Self::email(email),
            Some(Value::Phone(phone)) => Self::phone(phone, locale.and_then(Locale::region)),
            None => Err(ContactError::Missing),
        }
    }

    /// An e-mail address.
    ///
    /// # Errors
    /// If it can't be one.
    pub fn email(text: &str) -> Result<Self, ContactError> {
        // Lowering may decompose: composed again at the end.
        let email = nfc(&nfc(text.trim()).to_lowercase());
        if is_email(&email) { Ok(Self::Email(email.into())) } else { Err(ContactError::Email) }
    }

    /// A phone number; `country` (ISO 3166 alpha-2, upper case) is for numbers in national form.
    ///
    /// # Errors
    /// If it can't be one.
    pub fn phone(text: &str, country: Option<&str>) -> Result<Self, ContactError> {
        e164(text, country).map(|phone| Self::Phone(phone.into())).ok_or(ContactError::Phone)
    }

    /// The normalised text.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Email(text) | Self::Phone(text) => text.expose(),
        }
    }

    /// `email` or `phone`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
        }
    }

    /// The contract's form.
    #[must_use]
    pub fn to_proto(&self) -> Proto {
        let value = match self {
            Self::Email(text) => Value::Email(text.expose().clone()),
            Self::Phone(text) => Value::Phone(text.expose().clone()),
        };
        Proto { value: Some(value) }
    }

    /// Enough to recognise one's own address by, not enough to learn another's: `a***@s***`, `+9***67`.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Email(text) => {
                let (local, domain) = text.expose().split_once('@').unwrap_or_default();
                let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
                format!("{}***@{}***", first(local), first(domain))
            }
            Self::Phone(text) => {
                let text = text.expose();
                let (start, end) = (text.get(..2).unwrap_or_default(), text.get(text.len().saturating_sub(2)..));
                format!("{start}***{}", end.unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(***)", self.kind())
    }
}

/// RFC 5321's limits, and RFC 6531's letters; quoted local parts and address literals are not accepted.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_char = |c: char| {
        c.is_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~.".contains(c)
            || (!c.is_ascii() && !c.is_whitespace() && !c.is_control())
    };
    let dots = |text: &str| !text.starts_with('.') && !text.ends_with('.') && !text.contains("..");
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || is_mark(c))
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && local.chars().all(local_char)
        && dots(local)
        && domain.contains('.')
        && domain.split('.').all(label)
        && !top.bytes().all(|byte| byte.is_ascii_digit())
}

/// Marks that belong to letters of many scripts and have no composed form.
fn is_mark(c: char) -> bool {
    !c.is_ascii() && !c.is_whitespace() && !c.is_control() && unicode_normalization::char::is_combining_mark(c)
}

/// How a country writes its numbers at home: ISO code, calling code, trunk prefix, digits after it (fewest, most).
type Plan = (&'static str, &'static str, &'static str, usize, usize);

/// Numbering plans of ITU-T E.164 for which national forms are read. Others are accepted in international form.
const PLANS: &[Plan] = &[
    ("AE", "971", "0", 8, 9),
    ("AT", "43", "0", 4, 13),
    ("AU", "61", "0", 9, 9),
    ("AZ", "994", "0", 9, 9),
    ("BE", "32", "0", 8, 9),
    ("BG", "359", "0", 8, 9),
    ("BR", "55", "0", 10, 11),
    ("CA", "1", "1", 10, 10),
    ("CH", "41", "0", 9, 9),
    ("CN", "86", "0", 10, 11),
    ("CY", "357", "", 8, 8),
    ("CZ", "420", "", 9, 9),
    ("DE", "49", "0", 6, 13),
    ("DK", "45", "", 8, 8),
    ("EG", "20", "0", 9, 10),
    ("ES", "34", "", 9, 9),
    ("FI", "358", "0", 5, 12),
    ("FR", "33", "0", 9, 9),
    ("GB", "44", "0", 9, 10),
    ("GE", "995", "0", 9, 9),
    ("GR", "30", "", 10, 10),
    ("HR", "385", "0", 8, 9),
    ("HU", "36", "06", 8, 9),
    ("IE", "353", "0", 7, 9),
    ("IL", "972", "0", 8, 9),
    ("IN", "91", "0", 10, 10),
    // Italy keeps its leading 0 in E.164.
    ("IT", "39", "", 6, 11),
    ("JP", "81", "0", 9, 10),
    ("KR", "82", "0", 8, 10),
    ("KW", "965", "", 8, 8),
    ("MX", "52", "", 10, 10),
    ("NL", "31", "0", 9, 9),
    ("NO", "47", "", 8, 8),
    ("NZ", "64", "0", 8, 10),
    ("PL", "48", "", 9, 9),
    ("PT", "351", "", 9, 9),
    ("RO", "40", "0", 9, 9),
    ("RS", "381", "0", 8, 9),
    ("SA", "966", "0", 9, 9),
    ("SE", "46", "0", 7, 9),
    ("SK", "421", "0", 9, 9),
    ("TR", "90", "0", 10, 10),
    ("UA", "380", "0", 9, 9),
    ("US", "1", "1", 10, 10),
    ("ZA", "27", "0", 9, 9),
];

fn e164(text: &str, country: Option<&str>) -> Option<String> {
    // Compatibility forms first: full-width digits are digits.
    let text: String = text.trim().nfkc().collect();
    let separator = |c: char| c.is_whitespace() || matches!(c, '-' | '.' | '/' | '(' | ')' | '\u{2010}'..='\u{2015}');
    if text.len() > 40
        || !text.chars().enumerate().all(|(i, c)| c.is_ascii_digit() || separator(c) || (i == 0 && c == '+'))
    {
        return None;
    }
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let international = text.strip_prefix('+').or_else(|| text.strip_prefix("00"));
    let number = match international {
        // +90 (0) 532 …: the trunk prefix in brackets is for callers at home.
        Some(rest) => digits(&rest.replace("(0)", "")),
        None => {
            let (_, code, trunk, fewest, most) = PLANS.iter().find(|plan| Some(plan.0) == country)?;
            let national = digits(&text);
            let national = national.strip_prefix(trunk).unwrap_or(&national);
            // No country's numbers go on with 0 after the trunk prefix but those without one.
            if !(*fewest..=*most).contains(&national.len()) || (!trunk.is_empty() && national.starts_with('0')) {
                return None;
            }
            format!("{code}{national}")
        }
    };
    let fits = (8..=15).contains(&number.len()) && !number.starts_with('0') && fits_plan(&number);
    fits.then(|| format!("+{number}"))
}

/// Whether an international number has a length that its country uses; countries without a plan here have any.
fn fits_plan(number: &str) -> bool {
    let mut plans =
        PLANS.iter().filter_map(|plan| number.strip_prefix(plan.1).map(|rest| (rest.len(), plan))).peekable();
    plans.peek().is_none() || plans.any(|(length, (.., fewest, most))| (*fewest..=*most).contains(&length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn emails() {
        for (text, normal) in [
            (" Ada.Lovelace@Example.COM ", "ada.lovelace@example.com"),
            ("a+b@x.co", "a+b@x.co"),
            ("o'brien@example.ie", "o'brien@example.ie"),
            ("E\u{301}VA@exemple.fr", "éva@exemple.fr"),
            ("ŞULE@örnek.com.tr", "şule@örnek.com.tr"),
        ] {
            assert_eq!(Contact::email(text).map(|email| email.expose().to_owned()), Ok(normal.to_owned()), "{text}");
        }
        for bad in [
            "",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a b@c.de",
            "a@b..c",
            ".a@b.cd",
            "a.@b.cd",
            "a@-b.cd",
            "a@b.1",
            "a@b.cd\n",
            "a@b@",
            "\"a b\"@c.de",
            "a@[127.0.0.1]",
            "a\u{0}@b.cd",
            "a@b.cd, c@d.ef",
            "<a@b.cd>",
        ] {
            let wanted = if bad == "a@b.cd\n" { Ok(()) } else { Err(ContactError::Email) };
            assert_eq!(Contact::email(bad).map(drop), wanted, "{bad:?}");
        }
        assert!(Contact::email(&format!("{}@b.cd", "a".repeat(65))).is_err());
        assert!(Contact::email(&format!("a@{}", "b.".repeat(150) + "cd")).is_err());
    }

    #[test]
    fn phones() {
        for (text, country, normal) in [
            ("0532 123 45 67", Some("TR"), "+905321234567"),
            ("532 123 4567", Some("TR"), "+905321234567"),
            ("+90 (0) 532 123-45-67", None, "+905321234567"),
            ("0090 532 1234567", Some("DE"), "+905321234567"),
            ("(415) 555-0132", Some("US"), "+14155550132"),
            ("1 415 555 0132", Some("US"), "+14155550132"),
            ("06 1 234 5678", Some("HU"), "+3612345678"),
            ("06 12345678", Some("IT"), "+390612345678"),
            ("０９０-１２３４-５６７８", Some("JP"), "+819012345678"),
            ("+354 555 1234", None, "+3545551234"),
        ] {
            assert_eq!(
                Contact::phone(text, country).map(|phone| phone.expose().to_owned()),
                Ok(normal.to_owned()),
                "{text}"
            );
        }
        for (bad, country) in [
            ("", Some("TR")),
            ("0532 123 45 67", None),
            ("0532 123 45 67", Some("XX")),
            ("0532 123 45 6", Some("TR")),
            ("05321234567", Some("US")),
            ("+90532123456", None),
            ("+0532123456", None),
            ("+1234", None),
            ("+1234567890123456", None),
            ("0532+1234567", Some("TR")),
            ("0532 123 45 67 ext 4", Some("TR")),
            ("0532;1234567", Some("TR")),
        ] {
            assert_eq!(Contact::phone(bad, country).map(drop), Err(ContactError::Phone), "{bad}");
        }
    }

    #[test]
    fn hides_what_it_holds() {
        let (email, phone) =
            (Contact::email("ada@example.com").unwrap(), Contact::phone("+905321234567", None).unwrap());
        assert_eq!(format!("{email:?} {phone:?}"), "email(***) phone(***)");
        assert_eq!((email.masked().as_str(), phone.masked().as_str()), ("a***@e***", "+9***67"));
        assert_eq!(Contact::parse(&email.to_proto(), None), Ok(email));
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(text in "\\PC{0,40}") {
            if let Ok(email) = Contact::email(&text) {
                prop_assert_eq!(Contact::email(email.expose()), Ok(email.clone()));
            }
            for country in [None, Some("TR"), Some("IT")] {
                if let Ok(phone) = Contact::phone(&text, country) {
                    prop_assert_eq!(Contact::phone(phone.expose(), None), Ok(phone.clone()));
                }
            }
        }

        #[test]
        fn separators_do_not_matter(digits in "5[0-9]{9}", at in 1usize..9) {
            let (front, back) = digits.split_at(at);
            let plain = Contact::phone(&format!("+90{digits}"), None);
            prop_assert!(plain.is_ok());
            prop_assert_eq!(Contact::phone(&format!("0{front} - {back}"), Some("TR")), plain);
        }
    }
}
