//! ResolveProfile: the one profile of a person's proved identifiers.

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    error::Fault,
    idempotency::{Once, Reply},
    ids::ProfileId,
    once, outbox,
    store::Tx,
    validate::Violations,
};
use omnimesh_proto::profiles::v1::{
    IdentifierStrength, IdentifierVerified, ProfileCreated, ResolveProfileRequest, ResolveProfileResponse,
};
use tonic::Response;

use super::App;
use crate::{
    domain::identifier::Identifier,
    error::Error,
    store::{
        identifiers::{self, NewIdentifier},
        profiles::{self, Profile},
    },
};

const MAX: usize = 10;
/// How often to look again when another call took an identifier meanwhile: then it is there to be found.
const TRIES: u32 = 4;

pub(super) async fn run(
    app: &App,
    call: Call,
    request: ResolveProfileRequest,
) -> Result<Response<ResolveProfileResponse>, Error> {
    let once = Once::new(&call, "profiles.v1.ProfileService/ResolveProfile", &request.request_id, &request)?;
    let mut v = Violations::new();
    v.check("identifiers", (1..=MAX).contains(&request.identifiers.len()), "one to ten identifiers are accepted");
    let parsed: Vec<_> = request.identifiers.iter().take(MAX).enumerate().collect();
    let mut known = Vec::new();
    for (index, said) in parsed {
        known.extend(v.accept(&format!("identifiers[{index}]"), Identifier::parse(said)));
    }
    v.finish()?;
    // In one order everywhere, so that two calls never wait for each other.
    let mut known: Vec<_> =
        known.into_iter().map(|identifier| (identifier.kind, app.hash(&identifier), identifier)).collect();
    known.sort();
    known.dedup();

    for left in (0..TRIES).rev() {
        let reply: Result<Reply<ResolveProfileResponse>, Error> = once!(app.db, once, tx => {
            resolve(&mut tx, &call, &known, request.create_if_missing).await
        });
        match reply {
            Err(Error::Raced) if left > 0 => {}
            done => return Ok(done?.into_response()),
        }
    }
    Err(Error::Raced)
}

type Known = (i32, [u8; 32], Identifier);

async fn resolve(tx: &mut Tx, call: &Call, known: &[Known], create: bool) -> Result<ResolveProfileResponse, Error> {
    let mut owners = Vec::new();
    for (kind, hash, _) in known {
        owners.push(identifiers::owner(tx, *kind, hash).await?);
    }
    let oldest = owners.iter().flatten().min_by_key(|profile| (profile.created_at, profile.id)).copied();
    let now = tx.now();
    let (mut profile, created) = match oldest {
        Some(profile) => (profile, false),
        None if create => (Profile { id: ProfileId::new(now), created_at: now, version: 1 }, true),
        None => return Err(Fault::not_found("profile", "").into()),
    };
    if created {
        profiles::insert_profile(tx, profile.id, now).await?;
        let event = ProfileCreated { profile_id: profile.id.to_string() };
        let number = profiles::count_event(tx, profile.id, 0).await?;
        outbox::append(tx, call, &event.profile_id, number, &event).await?;
    }
    // What another profile has stays there until profiles can be merged.
    let new: Vec<_> = known.iter().zip(&owners).filter(|(_, owner)| owner.is_none()).map(|(known, _)| known).collect();
    for known in &new {
        attach(tx, call, profile.id, known, now).await?;
    }
    if !new.is_empty() {
        let event = IdentifierVerified { profile_id: profile.id.to_string() };
        let number = profiles::count_event(tx, profile.id, i64::from(!created)).await?;
        profile.version += i64::from(!created);
        outbox::append(tx, call, &event.profile_id, number, &event).await?;
    }
    Ok(ResolveProfileResponse { profile: Some(identifiers::whole(tx, profile).await?), created })
}

async fn attach(
    tx: &mut Tx,
    call: &Call,
    profile: ProfileId,
    (kind, hash, identifier): &Known,
    now: Timestamp,
) -> Result<(), Error> {
    let new = NewIdentifier {
        kind: *kind,
        hash,
        value: &identifier.value,
        strength: IdentifierStrength::VerifiedUnique.into(),
        verified_at: now,
        source: call.identity().channel,
    };
    if identifiers::insert_identifier(tx, profile, &new).await? { Ok(()) } else { Err(Error::Raced) }
}

impl App {
    /// By what an identifier is found: a keyed hash.
    fn hash(&self, identifier: &Identifier) -> [u8; 32] {
        self.secrets.mac("identifier", &[&identifier.kind.to_be_bytes(), identifier.value.as_bytes()])
    }
}
