//! ResolveProfile: the one customer of a person's proved identifiers. Those who are proved to be one here become one.

use omnimesh_kit::{
    call::Call,
    error::Fault,
    idempotency::Once,
    ids::ProfileId,
    store::{Conn, Tx},
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::{Channel, ErrorReason},
    profiles::v1::{
        AssertionOutcome, Claims, IdentifierStrength, IdentifierType, ResolveProfileRequest, ResolveProfileResponse,
    },
};
use prost::Message as _;
use tonic::Response;
use uuid::Uuid;

use super::{App, erased};
use crate::{
    domain::{
        identifier::Identifier,
        matching::Person,
        record::{Held, Record, Trust},
    },
    error::Error,
    identity::{file::file, fold::whole, settle},
    store::{erasures, identifiers, profiles},
};

const MAX: usize = 10;

pub(super) async fn run(
    app: &App,
    call: Call,
    request: ResolveProfileRequest,
) -> Result<Response<ResolveProfileResponse>, Error> {
    let once = Once::new(&call, "profiles.v1.ProfileService/ResolveProfile", &request.request_id, &request)?;
    let mut v = Violations::new();
    v.check("identifiers", (1..=MAX).contains(&request.identifiers.len()), "one to ten identifiers are accepted");
    let mut known = Vec::new();
    for (index, said) in request.identifiers.iter().take(MAX).enumerate() {
        let field = format!("identifiers[{index}]");
        if let Some(identifier) = v.accept(&field, Identifier::parse(said)) {
            let blocked = app.settings.blocked.iter().any(|blocked| blocked.eq_ignore_ascii_case(&identifier.value));
            v.check(format!("{field}.value"), !blocked, "belongs to nobody in particular");
            known.push(identifier);
        }
    }
    v.finish()?;
    let from_customer = call.is_from("sessions");
    if !from_customer && matches!(call.identity().channel(), Channel::Marketplace | Channel::Partner) {
        let message = "what a marketplace or partner says proves nothing: RecordAssertions takes it as claims";
        return Err(Fault::denied(ErrorReason::AudienceDenied, message).into());
    }
    known.sort();
    known.dedup();
    let record = record(app, &call, &known, from_customer);
    let reply = settle!(app.db, once, tx => {
        resolve(app, &mut tx, &call, &record, request.create_if_missing).await
    });
    Ok(reply?.into_response())
}

/// The identifiers as a record that fills in what is not known yet.
fn record(app: &App, call: &Call, known: &[Identifier], from_customer: bool) -> Record {
    let mut held: Vec<Held> = known
        .iter()
        .map(|identifier| Held {
            hash: app.hash(identifier),
            identifier: identifier.clone(),
            strength: IdentifierStrength::VerifiedUnique,
        })
        .collect();
    held.sort_by_key(|held| held.hash);
    let of = |kind: IdentifierType| {
        let values = known.iter().filter(move |identifier| identifier.kind == i32::from(kind));
        values.map(|identifier| identifier.value.clone()).collect::<Vec<_>>()
    };
    let claimed = [IdentifierType::LoyaltyCard, IdentifierType::OidcSubject].into_iter().flat_map(|kind| {
        let claimed = move |value| omnimesh_proto::profiles::v1::ClaimedIdentifier { r#type: kind.into(), value };
        of(kind).into_iter().map(claimed)
    });
    let claims = Claims {
        emails: of(IdentifierType::Email),
        phones: of(IdentifierType::Phone),
        identifiers: claimed.collect(),
        ..Claims::default()
    };
    let person = Person {
        source: "proved".to_owned(),
        trusted: true,
        cards: of(IdentifierType::LoyaltyCard),
        emails: claims.emails.clone(),
        phones: claims.phones.clone(),
        ..Person::default()
    };
    Record {
        // Each time it is asked is another record, if it adds anything at all.
        content: Uuid::new_v4(),
        source: None,
        channel: call.identity().channel,
        account_id: String::new(),
        customer_ref: String::new(),
        claims: claims.encode_to_vec(),
        trust: if from_customer { Trust::Customer } else { Trust::Asserted },
        occurred_at: app.clock.now(),
        held,
        person,
        said: Vec::new(),
        may_merge: false,
        by_customer: from_customer,
    }
}

async fn resolve(
    app: &App,
    tx: &mut Tx,
    call: &Call,
    record: &Record,
    create: bool,
) -> Result<ResolveProfileResponse, Error> {
    let hashes: Vec<Uuid> = record.held.iter().map(|held| held.hash).collect();
    app.hold(tx, record).await?;
    let holders = identifiers::holders(tx, hashes.clone()).await?;
    let mut oldest = None;
    for holder in &holders {
        let root = profiles::profile(tx, holder.root).await?.map(|root| (root.created_at, root.id));
        oldest = [oldest, root].into_iter().flatten().min();
    }
    let oldest = oldest.map(|(_, id): (_, ProfileId)| id);
    if oldest.is_none() && !create {
        return Err(Fault::not_found("profile", "").into());
    }
    if oldest.is_none() && !record.by_customer && !erasures::tombstones(tx, hashes).await?.is_empty() {
        return Err(erased().into());
    }
    let all_known = record.held.iter().all(|held| holders.iter().any(|holder| holder.hash == held.hash));
    let (root, created) =
        if let Some(root) = oldest.filter(|root| all_known && holders.iter().all(|holder| holder.root == *root)) {
            (root, false)
        } else {
            let filed = file(app, tx, call, record, oldest, true).await?;
            let (_, root) = filed.node.ok_or_else(erased)?;
            (root, filed.outcome == AssertionOutcome::Created)
        };
    Ok(ResolveProfileResponse { profile: folded(tx, root).await?, created })
}

async fn folded(conn: &mut Conn, root: ProfileId) -> Result<Option<omnimesh_proto::profiles::v1::Profile>, Error> {
    whole(conn, root, true).await
}
