//! Where and how a customer is reached. Personal data: kept in the order, printed nowhere.

use omnimesh_kit::{private::Private, text::nfc};
use omnimesh_proto::common::v1::{self, contact::Value};
use serde::{Deserialize, Serialize};

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    /// The name on the parcel.
    pub recipient: Private<String>,
    /// Organization.
    pub organization: Private<String>,
    /// Street lines.
    pub lines: Private<Vec<String>>,
    /// City or town.
    pub city: Private<String>,
    /// Province, state or region.
    pub region: Private<String>,
    /// Postal code.
    pub postal_code: Private<String>,
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
    /// For the carrier.
    pub phone: Private<String>,
}

impl Address {
    /// From the wire.
    #[must_use]
    pub fn from_proto(proto: &v1::Address) -> Self {
        Self {
            recipient: proto.recipient.clone().into(),
            organization: proto.organization.clone().into(),
            lines: proto.lines.clone().into(),
            city: proto.city.clone().into(),
            region: proto.region.clone().into(),
            postal_code: proto.postal_code.clone().into(),
            country_code: proto.country_code.clone(),
            phone: proto.phone.clone().into(),
        }
    }

    /// For the wire.
    #[must_use]
    pub fn to_proto(&self) -> v1::Address {
        v1::Address {
            recipient: self.recipient.expose().clone(),
            organization: self.organization.expose().clone(),
            lines: self.lines.expose().clone(),
            city: self.city.expose().clone(),
            region: self.region.expose().clone(),
            postal_code: self.postal_code.expose().clone(),
            country_code: self.country_code.clone(),
            phone: self.phone.expose().clone(),
        }
    }
}

/// How a customer is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contact {
    /// An e-mail address.
    Email(Private<String>),
    /// A phone number.
    Phone(Private<String>),
}

impl Contact {
    /// From the wire; the error says what would be accepted.
    ///
    /// # Errors
    /// If there is none, or it can be neither an e-mail address nor a phone number.
    pub fn from_proto(proto: &v1::Contact) -> Result<Self, &'static str> {
        match &proto.value {
            Some(Value::Email(email)) => {
                let email = nfc(email.trim());
                let parts = email.split_once('@');
                let plausible = parts.is_some_and(|(name, host)| {
                    !name.is_empty()
                        && host.contains('.')
                        && !host.starts_with('.')
                        && !host.ends_with('.')
                        && !host.contains('@')
                });
                let clean = email.chars().count() <= 254 && !email.chars().any(|c| c.is_control() || c.is_whitespace());
                (plausible && clean)
                    .then(|| Self::Email(email.into()))
                    .ok_or("must be an e-mail address such as name@example.com")
            }
            Some(Value::Phone(phone)) => {
                let digits = phone.chars().filter(char::is_ascii_digit).count();
                let clean = phone.trim().chars().all(|c| c.is_ascii_digit() || "+ ()-./".contains(c));
                let plausible = clean && (5..=15).contains(&digits);
                plausible
                    .then(|| Self::Phone(phone.trim().to_owned().into()))
                    .ok_or("must be a phone number of 5 to 15 digits, such as +905321234567")
            }
            None => Err("must have an e-mail address or a phone number"),
        }
    }

    /// For the wire.
    #[must_use]
    pub fn to_proto(&self) -> v1::Contact {
        let value = match self {
            Self::Email(email) => Value::Email(email.expose().clone()),
            Self::Phone(phone) => Value::Phone(phone.expose().clone()),
        };
        v1::Contact { value: Some(value) }
    }
}
