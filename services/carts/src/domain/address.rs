//! Postal addresses: personal data, checked by the rules of their country.

use omnimesh_kit::validate::Violations;
use omnimesh_proto::common::v1;
use serde::{Deserialize, Serialize};

use super::country;

/// A postal address. Kept in [`omnimesh_kit::private::Private`], so that it never prints.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The name on the parcel.
    pub recipient: String,
    /// Organization, where there is one.
    pub organization: String,
    /// Street lines.
    pub lines: Vec<String>,
    /// City or town.
    pub city: String,
    /// Province, state or region.
    pub region: String,
    /// Postal code, in the country's own form.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// E.164, or empty.
    pub phone: String,
}

impl Address {
    /// From the wire, with every violation recorded under `field`.
    pub fn check(v: &mut Violations, field: &str, address: Option<&v1::Address>) -> Option<Self> {
        let address = v.required(field, address)?;
        let at = |name: &str| format!("{field}.{name}");
        let recipient = v.text(&at("recipient"), address.recipient.trim(), 1..=100);
        let organization = v.text(&at("organization"), address.organization.trim(), 0..=100);
        v.check(at("lines"), (1..=4).contains(&address.lines.len()), "must have one to four lines");
        let lines: Vec<_> =
            address.lines.iter().take(4).map(|line| v.text(&at("lines"), line.trim(), 1..=100)).collect();
        let city = v.text(&at("city"), address.city.trim(), 1..=100);
        let country = address.country_code.as_str();
        if !country::is_country(country) {
            v.add(at("country_code"), "must be an ISO 3166-1 alpha-2 code, such as TR");
            return None;
        }
        let shortest = usize::from(country::needs_region(country));
        let region = v.text(&at("region"), address.region.trim(), shortest..=100);
        let postal_code = v.text(&at("postal_code"), &address.postal_code.trim().to_uppercase(), 0..=16);
        if let Some(Err(problem)) = postal_code.as_deref().map(|code| country::check_postal_code(country, code)) {
            v.add(at("postal_code"), problem);
        }
        let phone = address.phone.trim();
        v.check(at("phone"), phone.is_empty() || is_e164(phone), "must be in E.164, such as +902121234567");
        Some(Self {
            recipient: recipient?,
            organization: organization?,
            lines: lines.into_iter().collect::<Option<_>>()?,
            city: city?,
            region: region?,
            postal_code: postal_code?,
            country: country.to_owned(),
            phone: phone.to_owned(),
        })
    }

    /// Nothing but a country.
    #[must_use]
    pub fn of_country(country: String) -> Self {
        Self {
            recipient: String::new(),
            organization: String::new(),
            lines: Vec::new(),
            city: String::new(),
            region: String::new(),
            postal_code: String::new(),
            country,
            phone: String::new(),
        }
    }

    /// For the wire.
    #[must_use]
    pub fn to_proto(&self) -> v1::Address {
        v1::Address {
            recipient: self.recipient.clone(),
            organization: self.organization.clone(),
            lines: self.lines.clone(),
            city: self.city.clone(),
            region: self.region.clone(),
            postal_code: self.postal_code.clone(),
            country_code: self.country.clone(),
            phone: self.phone.clone(),
        }
    }
}

fn is_e164(phone: &str) -> bool {
    phone.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    })
}
