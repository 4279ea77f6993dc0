//! Stores and warehouses as the catalog keeps them.

use omnimesh_kit::{error::Fault, text::fold, validate::Violations};
use omnimesh_proto::{
    catalog::v1 as proto,
    common::v1::{self as common, Coordinates},
};
use serde::{Deserialize, Serialize};

use super::{
    check,
    geo::Point,
    hours::{DAY, Hours, zone},
};

/// A week has seven days, and few of them more than a handful of opening times.
const MAX_HOURS: usize = 70;

/// A store or warehouse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// The retailer's own id.
    pub location_id: String,
    /// The name.
    pub name: String,
    /// Where it stands.
    pub address: Address,
    /// Where it stands on the earth: latitude and longitude.
    pub coordinates: Option<(f64, f64)>,
    /// IANA time zone.
    pub time_zone: String,
    /// When it is open.
    pub hours: Vec<Hours>,
    /// Whether customers collect orders here.
    pub offers_pickup: bool,
    /// Whether it ships orders.
    pub ships: bool,
    /// The channel account of the partner whose location it is; empty for the retailer's own.
    #[serde(default)]
    pub account_id: String,
}

/// A business address of the retailer's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// As on the parcel.
    pub recipient: String,
    /// The organization.
    pub organization: String,
    /// Street lines.
    pub lines: Vec<String>,
    /// City or town.
    pub city: String,
    /// Province or state.
    pub region: String,
    /// Postal code.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
    /// The store's phone.
    pub phone: String,
}

impl Location {
    /// A location as somebody sent it.
    ///
    /// # Errors
    /// INVALID_ARGUMENT that names what is wrong.
    pub fn from_proto(sent: Option<&proto::Location>) -> Result<Self, Fault> {
        let mut v = Violations::new();
        let sent = sent.ok_or_else(|| Fault::invalid("location", "must be given"))?;
        let location_id = check::slug(&mut v, "location.location_id", &sent.location_id);
        let name = check::free(&mut v, "location.name", &sent.name, 1..=200);
        let address = address_from_proto(&mut v, sent.address.as_ref());
        let account_id = check::free(&mut v, "location.account_id", &sent.account_id, 0..=100);
        if let Some(Coordinates { latitude, longitude }) = sent.coordinates {
            let valid = Point::new(latitude, longitude).is_some();
            v.check(
                "location.coordinates",
                valid,
                "must have a latitude from -90 to 90 and a longitude from -180 to 180",
            );
        }
        v.check(
            "location.time_zone",
            zone(&sent.time_zone).is_some(),
            "must be an IANA time zone, such as Europe/Istanbul",
        );
        v.check(
            "location.opening_hours",
            sent.opening_hours.len() <= MAX_HOURS,
            format!("must be at most {MAX_HOURS}"),
        );
        let mut hours = Vec::new();
        for (index, sent) in sent.opening_hours.iter().take(MAX_HOURS).enumerate() {
            let field = |name: &str| format!("location.opening_hours[{index}].{name}");
            v.range(&field("weekday"), sent.weekday, 1..=7);
            v.range(&field("open_minute"), sent.open_minute, 0..=i64::from(DAY) - 1);
            v.range(&field("close_minute"), sent.close_minute, 0..=i64::from(DAY));
            hours.push(Hours { weekday: sent.weekday, open: sent.open_minute, close: sent.close_minute });
        }
        let (location_id, name, address, account_id) = v.finish_with((location_id, name, address, account_id))?;
        Ok(Self {
            location_id,
            name,
            address,
            coordinates: sent.coordinates.map(|at| (at.latitude, at.longitude)),
            time_zone: sent.time_zone.clone(),
            hours,
            offers_pickup: sent.offers_pickup,
            ships: sent.ships,
            account_id,
        })
    }

    /// Where it stands on the earth.
    #[must_use]
    pub fn point(&self) -> Option<Point> {
        self.coordinates.and_then(|(latitude, longitude)| Point::new(latitude, longitude))
    }

    /// The city as it is searched.
    #[must_use]
    pub fn city_folded(&self) -> String {
        fold(&self.address.city)
    }

    /// The wire's form for everybody: whose the location is stays with the retailer.
    #[must_use]
    pub fn to_public_proto(&self, version: i64) -> proto::Location {
        proto::Location { account_id: String::new(), ..self.to_proto(version) }
    }

    /// The wire's form.
    #[must_use]
    pub fn to_proto(&self, version: i64) -> proto::Location {
        let hours = self.hours.iter().map(|hours| proto::OpeningHours {
            weekday: hours.weekday,
            open_minute: hours.open,
            close_minute: hours.close,
        });
        proto::Location {
            location_id: self.location_id.clone(),
            name: self.name.clone(),
            address: Some(self.address.to_proto()),
            coordinates: self.coordinates.map(|(latitude, longitude)| Coordinates { latitude, longitude }),
            time_zone: self.time_zone.clone(),
            opening_hours: hours.collect(),
            offers_pickup: self.offers_pickup,
            ships: self.ships,
            version,
            account_id: self.account_id.clone(),
        }
    }
}

impl Address {
    fn to_proto(&self) -> common::Address {
        let Self { recipient, organization, lines, city, region, postal_code, country_code, phone } = self.clone();
        common::Address { recipient, organization, lines, city, region, postal_code, country_code, phone }
    }
}

fn address_from_proto(v: &mut Violations, sent: Option<&common::Address>) -> Option<Address> {
    let sent = v.required("location.address", sent)?;
    let texts = [
        ("recipient", &sent.recipient, 0),
        ("organization", &sent.organization, 0),
        ("city", &sent.city, 1),
        ("region", &sent.region, 0),
        ("postal_code", &sent.postal_code, 0),
        ("phone", &sent.phone, 0),
    ];
    for (name, text, least) in texts {
        check::free(v, &format!("location.address.{name}"), text, least..=200);
    }
    v.check("location.address.lines", sent.lines.len() <= 4, "must be at most 4");
    for line in sent.lines.iter().take(4) {
        check::free(v, "location.address.lines", line, 1..=200);
    }
    check::country(v, "location.address.country_code", &sent.country_code);
    let common::Address { recipient, organization, lines, city, region, postal_code, country_code, phone } =
        sent.clone();
    Some(Address { recipient, organization, lines, city, region, postal_code, country_code, phone })
}
