//! Claims, checked, normalised and weighed by what the caller can prove.

use std::collections::BTreeMap;

use omnimesh_kit::{
    auth::oidc::OidcError, call::Call, contact::Contact, customers, error::Fault, text::nfc, validate::Violations,
};
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::Channel,
    profiles::v1::{Claims, IdentifierStrength, IdentifierType, RecordAssertionsRequest},
    sessions::v1::{CheckVerifiedContactRequest, session_service_client::SessionServiceClient},
};
use prost::Message as _;
use uuid::Uuid;

use super::{App, record_assertions::Source};
use crate::{
    domain::{
        identifier::Identifier,
        matching::Person,
        record::{Held, Record, Trust},
    },
    error::Error,
};

const MOST: usize = 10;

/// The record that claims make.
pub(super) async fn read(
    app: &App,
    call: &Call,
    source: &Source,
    request: &RecordAssertionsRequest,
) -> Result<Record, Error> {
    let mut v = Violations::new();
    let claims = v.required("claims", request.claims.clone());
    let occurred_at = match &request.occur_time {
        Some(_) => v.timestamp("occur_time", request.occur_time.as_ref()),
        None => Some(app.clock.now()),
    };
    let (claims, occurred_at) = v.finish_with((claims, occurred_at))?;
    check(&claims, !request.oidc_token.is_empty())?;
    let partner = source.audience == Audience::Partner;
    let foreign = partner || matches!(source.channel, Channel::Marketplace | Channel::Partner);
    let mut reading = Reading { app, source, foreign, held: BTreeMap::new(), said: Vec::new() };
    reading.contacts(&claims);
    reading.identifiers(&claims)?;
    if !request.oidc_token.is_empty() {
        if foreign {
            return Err(Fault::invalid("oidc_token", "proves nothing of what a partner or marketplace says").into());
        }
        reading.token(&request.oidc_token).await?;
    }
    let shared = call.session().is_some_and(omnimesh_kit::auth::SessionIdentity::is_shared_device);
    if let Some(session) = call.session() {
        reading.verified(call, &session.id.to_string()).await?;
    }
    let Reading { mut held, said, .. } = reading;
    for one in held.values_mut().filter(|one| shared && one.strength == IdentifierStrength::Device) {
        one.strength = IdentifierStrength::Shared;
    }
    let held: Vec<Held> = held.into_values().collect();
    let customer = call.session().is_some();
    let trust = match (customer, source.named, source.asserts, source.audience) {
        (true, Some(_), ..) => Trust::Customer,
        (true, None, ..) | (_, _, _, Audience::Partner) => Trust::Anyone,
        _ if foreign => Trust::Anyone,
        (_, _, true, _) => Trust::Asserted,
        _ => Trust::Own,
    };
    let channel = i32::from(source.channel);
    let known = customers::source_key(&app.secrets, channel, &source.account_id, &source.customer_ref);
    let encoded = claims.encode_to_vec();
    let named = source.named.map(|named| named.to_string()).unwrap_or_default();
    let strengths: Vec<u8> = held
        .iter()
        .flat_map(|held| [held.hash.as_bytes().as_slice(), &(held.strength as i32).to_be_bytes()].concat())
        .collect();
    let content = app.keyed("content", &[known.as_bytes(), named.as_bytes(), &encoded, &strengths]);
    let proves = held.iter().any(Held::is_proved);
    Ok(Record {
        content,
        source: (!source.customer_ref.is_empty()).then_some(known),
        channel,
        account_id: source.account_id.clone(),
        customer_ref: if customer { String::new() } else { source.customer_ref.clone() },
        claims: encoded,
        trust,
        occurred_at,
        person: person(&claims, source, customer, foreign, trust == Trust::Asserted && source.knows(), &held, app),
        held,
        said,
        may_merge: !customer,
        by_customer: customer && proves,
    })
}

/// What the matcher compares.
fn person(
    claims: &Claims,
    source: &Source,
    customer: bool,
    foreign: bool,
    trusted: bool,
    held: &[Held],
    app: &App,
) -> Person {
    let of = |kind: IdentifierType| {
        held.iter()
            .filter(move |held| held.identifier.kind == i32::from(kind))
            .map(|held| held.identifier.value.clone())
    };
    let usable = |text: &&String| !blocked(app, text);
    let address = claims.addresses.first().cloned().unwrap_or_default();
    Person {
        source: source.realm(),
        marketplace: foreign,
        trusted,
        account: if customer { String::new() } else { source.customer_ref.clone() },
        cards: of(IdentifierType::LoyaltyCard).filter(|card| !blocked(app, card)).collect(),
        other_ids: of(IdentifierType::NationalId).filter(|number| !blocked(app, number)).collect(),
        name: if claims.name.is_empty() { address.recipient } else { claims.name.clone() },
        emails: claims.emails.iter().filter(usable).cloned().collect(),
        phones: claims.phones.iter().filter(usable).cloned().collect(),
        address: address.lines.join(", "),
        city: address.city,
        postal_code: address.postal_code,
        birth_date: claims.birth_date.clone(),
    }
}

fn blocked(app: &App, text: &str) -> bool {
    app.settings.blocked.iter().any(|blocked| blocked.eq_ignore_ascii_case(text.trim()))
}

fn check(claims: &Claims, has_token: bool) -> Result<(), Fault> {
    let mut v = Violations::new();
    v.text("claims.name", &claims.name, 0..=200);
    v.text("claims.birth_date", &claims.birth_date, 0..=40);
    for (field, count) in [
        ("claims.emails", claims.emails.len()),
        ("claims.phones", claims.phones.len()),
        ("claims.addresses", claims.addresses.len()),
        ("claims.identifiers", claims.identifiers.len()),
    ] {
        v.check(field, count <= MOST, "at most 10 are accepted");
    }
    let texts = claims
        .emails
        .iter()
        .map(|text| ("claims.emails", text))
        .chain(claims.phones.iter().map(|text| ("claims.phones", text)));
    for (field, text) in texts.take(2 * MOST) {
        v.text(field, text, 1..=320);
    }
    for address in claims.addresses.iter().take(MOST) {
        v.check("claims.addresses", address.encoded_len() <= 2_000, "2,000 bytes together are accepted");
    }
    let some = !claims.name.trim().is_empty()
        || !claims.emails.is_empty()
        || !claims.phones.is_empty()
        || !claims.addresses.is_empty()
        || !claims.birth_date.trim().is_empty()
        || !claims.identifiers.is_empty()
        || has_token;
    v.check("claims", some, "at least one value must be claimed");
    v.finish()
}

impl Source {
    /// Whether systems of the channel know whom they speak of; of what comes by message they know what was written.
    fn knows(&self) -> bool {
        use Channel::{App, CallCenter, Kiosk, Store, Web};
        matches!(self.channel, Web | App | CallCenter | Store | Kiosk)
    }

    /// The channel, or the account at it: what login ids and marketplaces' aliases are good within.
    fn realm(&self) -> String {
        let text = if self.account_id.is_empty() {
            self.channel.as_str_name().trim_start_matches("CHANNEL_").to_owned()
        } else {
            self.account_id.clone()
        };
        text.split_whitespace().collect::<Vec<_>>().join("_")
    }
}

/// Identifiers as they are found.
struct Reading<'a> {
    app: &'a App,
    source: &'a Source,
    /// Of a partner or marketplace: proves nothing, and its addresses are aliases.
    foreign: bool,
    held: BTreeMap<Uuid, Held>,
    said: Vec<(String, Uuid)>,
}

impl Reading<'_> {
    fn add(&mut self, identifier: Identifier, strength: IdentifierStrength) -> Uuid {
        let blocked = blocked(self.app, &identifier.value);
        let strength = if blocked { IdentifierStrength::Shared } else { strength };
        let hash = match strength {
            // Good within its marketplace only.
            IdentifierStrength::Masked => {
                let realm = self.source.realm();
                let kind = identifier.kind.to_be_bytes();
                self.app.keyed("masked", &[&kind, realm.as_bytes(), identifier.value.as_bytes()])
            }
            _ => self.app.hash(&identifier),
        };
        let held = self.held.entry(hash).or_insert(Held { hash, identifier, strength });
        if i32::from(strength) < i32::from(held.strength) {
            held.strength = strength;
        }
        hash
    }

    /// E-mail addresses and phones: claimed, whoever passes them on, since systems pass on what people typed. What can't be
    /// an address is kept with the claims alone.
    fn contacts(&mut self, claims: &Claims) {
        let country = claims.addresses.iter().map(|address| &address.country_code).find(|code| code.len() == 2);
        let country = country.unwrap_or(&self.app.settings.country).to_ascii_uppercase();
        let emails = claims.emails.iter().map(|text| (IdentifierType::Email, text, Contact::email(text)));
        let phones = claims.phones.iter().map(|text| (IdentifierType::Phone, text, phone(text, &country)));
        for (kind, text, contact) in emails.chain(phones) {
            let masked = self.foreign || text.contains('*');
            let value = match contact {
                Ok(contact) => contact.expose().to_owned(),
                Err(_) if masked => nfc(text.trim()).to_lowercase(),
                Err(_) => continue,
            };
            let strength = if masked { IdentifierStrength::Masked } else { IdentifierStrength::Claimed };
            let hash = self.add(Identifier { kind: kind.into(), value }, strength);
            if !masked {
                self.said.push((text.clone(), hash));
            }
        }
    }

    /// Login ids and cards are proved by systems that know whom they speak of; the rest is claimed.
    fn identifiers(&mut self, claims: &Claims) -> Result<(), Fault> {
        let mut v = Violations::new();
        let realm = self.source.realm();
        let mut found = Vec::new();
        for (index, claimed) in claims.identifiers.iter().enumerate() {
            let kind = IdentifierType::try_from(claimed.r#type).unwrap_or_default();
            let field = format!("claims.identifiers[{index}]");
            found
                .extend(v.accept(&field, Identifier::claimed(kind, &claimed.value, &realm)).map(|found| (kind, found)));
        }
        v.finish()?;
        for (kind, identifier) in found {
            let strength = match kind {
                IdentifierType::Device => IdentifierStrength::Device,
                IdentifierType::Login | IdentifierType::LoyaltyCard if self.source.asserts => {
                    IdentifierStrength::VerifiedUnique
                }
                IdentifierType::Email | IdentifierType::Phone if self.foreign => IdentifierStrength::Masked,
                _ => IdentifierStrength::Claimed,
            };
            self.add(identifier, strength);
        }
        Ok(())
    }

    async fn token(&mut self, token: &str) -> Result<(), Error> {
        let token = self.app.oidc.verify(token).await.map_err(|error| match error {
            OidcError::Invalid(why) => Fault::invalid("oidc_token", why),
            other => Fault::from(other),
        })?;
        let value = format!("{} {}", token.issuer, token.subject);
        let identifier = Identifier { kind: IdentifierType::OidcSubject.into(), value };
        self.add(identifier, IdentifierStrength::VerifiedUnique);
        Ok(())
    }

    /// What the session completed a verification of is proved.
    async fn verified(&mut self, call: &Call, session_id: &str) -> Result<(), Error> {
        let mut proved = Vec::new();
        for held in self.held.values().filter(|held| held.strength == IdentifierStrength::Claimed) {
            let contact = match IdentifierType::try_from(held.identifier.kind) {
                Ok(IdentifierType::Email) => Contact::email(&held.identifier.value),
                Ok(IdentifierType::Phone) => Contact::phone(&held.identifier.value, None),
                _ => continue,
            };
            let Ok(contact) = contact else { continue };
            let request =
                CheckVerifiedContactRequest { session_id: session_id.to_owned(), contact: Some(contact.to_proto()) };
            let mut sessions = SessionServiceClient::new(self.app.links.to("sessions", call).idempotent());
            let reply = sessions.check_verified_contact(request).await.map_err(Fault::upstream)?;
            if reply.into_inner().verified {
                proved.push(held.hash);
            }
        }
        for hash in proved {
            if let Some(held) = self.held.get_mut(&hash) {
                held.strength = IdentifierStrength::VerifiedUnique;
            }
        }
        Ok(())
    }
}

/// A number in any spelling; one that lacks its plus sign still has its country's code.
fn phone(text: &str, country: &str) -> Result<Contact, omnimesh_kit::contact::ContactError> {
    Contact::phone(text, Some(country)).or_else(|error| {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let digits = digits.strip_prefix("00").unwrap_or(&digits);
        if digits.len() >= 11 && !digits.starts_with('0') {
            Contact::phone(&format!("+{digits}"), None)
        } else {
            Err(error)
        }
    })
}
