//! What the values of a record mean before anybody is found by them: of the erased, of too many, in words.

use std::collections::BTreeSet;

use omnimesh_kit::store::Tx;
use omnimesh_proto::profiles::v1::{IdentifierStrength, IdentifierType};
use uuid::Uuid;

use crate::{
    domain::{
        matching::Person,
        record::{Held, Record},
    },
    error::Error,
    store::{erasures, identifiers},
};

/// Whether it is about somebody who was erased. Customers who prove it themselves have come back.
pub(super) async fn is_buried(tx: &mut Tx, record: &Record) -> Result<bool, Error> {
    let device = i32::from(IdentifierType::Device);
    let mut hashes: Vec<Uuid> =
        record.held.iter().filter(|held| held.identifier.kind != device).map(|held| held.hash).collect();
    hashes.extend(record.source);
    if hashes.is_empty() {
        return Ok(false);
    }
    let dead = erasures::tombstones(tx, hashes).await?;
    if dead.is_empty() {
        return Ok(false);
    }
    let proved = |hash: &Uuid| {
        record.source == Some(*hash) || record.held.iter().any(|held| held.hash == *hash && held.is_proved())
    };
    if record.by_customer && dead.iter().all(proved) {
        erasures::lift(tx, dead).await?;
        return Ok(false);
    }
    Ok(true)
}

/// Claimed e-mail addresses and phones: what people share or make up.
pub(super) fn countable(record: &Record) -> impl Iterator<Item = Uuid> {
    let contact = [IdentifierType::Email, IdentifierType::Phone].map(i32::from);
    let counts =
        move |held: &&Held| held.strength == IdentifierStrength::Claimed && contact.contains(&held.identifier.kind);
    record.held.iter().filter(counts).map(|held| held.hash)
}

/// The person without what came to too many customers.
pub(super) async fn without_shared(tx: &mut Tx, record: &Record) -> Result<Person, Error> {
    let mut person = record.person.clone();
    let hashes: Vec<Uuid> = countable(record).collect();
    if hashes.is_empty() {
        return Ok(person);
    }
    let shared = identifiers::quarantined(tx, hashes).await?;
    if !shared.is_empty() {
        let shared: BTreeSet<&String> =
            record.said.iter().filter(|(_, hash)| shared.contains(hash)).map(|(text, _)| text).collect();
        person.emails.retain(|text| !shared.contains(text));
        person.phones.retain(|text| !shared.contains(text));
    }
    Ok(person)
}

/// What an identifier is called in evidence.
pub(super) fn name(held: &Held) -> &'static str {
    match IdentifierType::try_from(held.identifier.kind).unwrap_or_default() {
        IdentifierType::Email => "e-mail",
        IdentifierType::Phone => "phone",
        IdentifierType::OidcSubject => "account at the issuer",
        IdentifierType::LoyaltyCard => "loyalty card",
        IdentifierType::Login => "login",
        IdentifierType::NationalId => "number of an authority",
        IdentifierType::Device | IdentifierType::Unspecified => "identifier",
    }
}
