//! RecordConsent: what was said about an address.

use omnimesh_kit::{
    auth::SessionLevel,
    call::Call,
    clock::Timestamp,
    contact::Contact,
    customers,
    error::Fault,
    idempotency::{Once, Reply},
    ids::ProfileId,
    locale::Locale,
    once, outbox,
    store::Tx,
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::{Channel, ErrorReason},
    profiles::v1::{
        Consent, ConsentChannel, ConsentDecision, ConsentPurpose, ConsentRecorded, LegalBasis, RecordConsentRequest,
        RecordConsentResponse,
    },
};
use tonic::Response;

use super::{App, erased, not_identified};
use crate::{
    domain::consent::{Statement, needs_grant},
    error::Error,
    store::{
        consents::{self, AddressHash, ConsentId, NewConsent},
        erasures,
    },
};

/// How far a clock may be ahead of ours.
const AHEAD_SECONDS: u64 = 300;

pub(super) async fn run(
    app: &App,
    call: Call,
    request: RecordConsentRequest,
) -> Result<Response<RecordConsentResponse>, Error> {
    let once = Once::new(&call, "profiles.v1.ConsentService/RecordConsent", &request.request_id, &request)?;
    let now = app.clock.now();
    let (address, said, expires_at) = check(&call, request.consent.unwrap_or_default(), now)?;
    let hash = app.address_hash(&address);
    let own = own_profile(&call)?;
    let reply: Reply<RecordConsentResponse> = once!(app.db, once, tx => {
        let consent = record(&mut tx, &call, (&address, hash), said.clone(), expires_at, own).await?;
        Ok::<RecordConsentResponse, Error>(RecordConsentResponse { consent: Some(consent) })
    })?;
    Ok(reply.into_response())
}

/// The customer's profile; `None` for staff and back-ends.
fn own_profile(call: &Call) -> Result<Option<ProfileId>, Fault> {
    let Some(session) = call.session() else { return Ok(None) };
    let own = session.profile.filter(|_| session.level == SessionLevel::Identified);
    own.map(Some).ok_or_else(|| match session.level {
        SessionLevel::Linked => {
            Fault::denied(ErrorReason::NotHandedOver, "consents are not part of what was handed over")
        }
        _ => not_identified(),
    })
}

fn check(call: &Call, said: Consent, now: Timestamp) -> Result<(Contact, Consent, Option<Timestamp>), Fault> {
    let mut v = Violations::new();
    let address = v.accept("consent.address", parse(call, said.address.as_ref()));
    let purpose = v.choice::<ConsentPurpose>("consent.purpose", said.purpose);
    let channel = v.choice::<ConsentChannel>("consent.channel", said.channel);
    let decision = v.choice::<ConsentDecision>("consent.decision", said.decision);
    if let (Some(address), Some(channel)) = (&address, channel) {
        v.check(
            "consent.channel",
            fits(address, channel),
            "calls and messages go to phones, e-mail to e-mail addresses",
        );
    }
    v.check("consent.legal_basis", LegalBasis::try_from(said.legal_basis).is_ok(), "must be a known value");
    v.check("consent.source", Channel::try_from(said.source).is_ok(), "must be a known value");
    let text_version = v.text("consent.text_version", &said.text_version, 0..=100);
    let evidence = v.text("consent.evidence", &said.evidence, 0..=500);
    let granted = decision == Some(ConsentDecision::Grant);
    if granted && purpose.is_some_and(needs_grant) {
        let needed = "must be given for a grant of this purpose";
        v.check("consent.text_version", !said.text_version.is_empty(), needed);
        v.check("consent.evidence", !said.evidence.is_empty(), needed);
    }
    let occurred_at = match &said.occur_time {
        None => Some(now),
        some => v.timestamp("consent.occur_time", some.as_ref()),
    };
    let latest = now.plus(std::time::Duration::from_secs(AHEAD_SECONDS));
    v.check("consent.occur_time", occurred_at.is_none_or(|at| at <= latest), "must not lie in the future");
    let expires_at = match &said.expire_time {
        None => Some(None),
        some => v.timestamp("consent.expire_time", some.as_ref()).map(Some),
    };
    let later = expires_at.flatten().zip(occurred_at).is_none_or(|(end, start)| end > start);
    v.check("consent.expire_time", later, "must be later than occur_time");
    let ends = decision == Some(ConsentDecision::Revoke) && said.expire_time.is_some();
    v.check("consent.expire_time", !ends, "a revocation holds until a new grant: nothing is accepted");
    let checked = (address, text_version, evidence, occurred_at, expires_at);
    let (address, text_version, evidence, occurred_at, expires_at) = v.finish_with(checked)?;
    let source = match (call.session(), said.source) {
        // Where a customer says it is not the customer's to choose.
        (Some(_), _) | (None, 0) => call.identity().channel,
        (None, source) => source,
    };
    let legal_basis = if said.legal_basis == 0 { LegalBasis::Consent.into() } else { said.legal_basis };
    let consent = Consent {
        consent_id: String::new(),
        address: Some(address.to_proto()),
        legal_basis,
        source,
        text_version,
        evidence,
        occur_time: Some(occurred_at.to_proto()),
        actor: Some(call.actor()),
        ..said
    };
    Ok((address, consent, expires_at))
}

/// An address as a request has it: phones may be in the national form of the session's country.
pub(super) fn parse(call: &Call, said: Option<&omnimesh_proto::common::v1::Contact>) -> Result<Contact, String> {
    let locale = call.session().and_then(|session| session.locale.parse::<Locale>().ok());
    let said = said.ok_or("must be given")?;
    Contact::parse(said, locale.as_ref()).map_err(|error| error.to_string())
}

/// Whether an address can be reached by a channel.
pub(super) fn fits(address: &Contact, channel: ConsentChannel) -> bool {
    matches!(address, Contact::Email(_)) == (channel == ConsentChannel::Email)
}

async fn record(
    tx: &mut Tx,
    call: &Call,
    (address, hash): (&Contact, AddressHash),
    said: Consent,
    expires_at: Option<Timestamp>,
    own: Option<ProfileId>,
) -> Result<Consent, Error> {
    let holders = consents::holders(tx, hash).await?;
    let customer = match own.or(holders.first().copied()) {
        Some(profile) => customers::members(tx, profile).await?,
        None => Vec::new(),
    };
    let (mut within, others): (Vec<_>, Vec<_>) = holders.into_iter().partition(|holder| customer.contains(holder));
    if own.is_some() && within.is_empty() {
        // Whether somebody else proved it is not told.
        return Err(Fault::not_found("proved address of this customer", "").into());
    }
    if own.is_none() && !others.is_empty() {
        // Two customers proved it: which of them speaks is not known.
        within.clear();
    }
    let speaker = within.first().copied();
    let speaks_for = if speaker.is_some() { customer } else { Vec::new() };
    let id = ConsentId::new(tx.now());
    let granted = said.decision() == ConsentDecision::Grant;
    let forgotten = speaker.is_none() && !erasures::tombstones(tx, vec![hash]).await?.is_empty();
    if forgotten && granted {
        return Err(erased().into());
    }
    let statement = Statement {
        id: id.0,
        decision: said.decision(),
        proven: !said.text_version.is_empty() && !said.evidence.is_empty(),
        speaker,
        speaks_for: if granted { speaks_for } else { Vec::new() },
        occurred_at: said.occur_time.as_ref().and_then(Timestamp::from_proto).unwrap_or_else(|| tx.now()),
        expires_at,
    };
    let said = Consent { consent_id: id.to_string(), ..said };
    // A denial for somebody who was erased holds, without bringing the address back.
    let stored = if forgotten { Consent { evidence: String::new(), ..said.clone() } } else { said.clone() };
    let kept = (!forgotten).then_some(address);
    consents::insert(
        tx,
        &NewConsent {
            id,
            kind: consents::address_type(address),
            address: kept,
            hash,
            said: &stored,
            statement: &statement,
        },
    )
    .await?;
    let profile_id = speaker.map(|speaker| speaker.to_string()).unwrap_or_default();
    let event = ConsentRecorded { profile_id, consent_id: said.consent_id.clone() };
    outbox::append(tx, call, &said.consent_id, 1, &event).await?;
    Ok(said)
}

impl App {
    /// By what an address is found: the keyed hash that identifiers have.
    pub(super) fn address_hash(&self, address: &Contact) -> AddressHash {
        let kind = consents::address_type(address) as i32;
        self.keyed("identifier", &[&kind.to_be_bytes(), address.expose().as_bytes()])
    }
}
