//! IdentifySession: a proof ties the session to a customer. The guest's cart becomes the customer's, and the rise of privilege
//! gets a new token.
//!
//! Profiles and carts are asked before the one transaction that changes the session; both answer the same when asked again,
//! so a try that fails between them leaves nothing to clean up. The proof is used up in that transaction.

use omnimesh_kit::{
    auth::{SessionLevel, oidc::OidcError},
    call::Call,
    clock::Timestamp,
    contact::Contact,
    customers,
    error::Fault,
    idempotency::{Once, Reply},
    ids::{ProfileId, SessionId},
    once, outbox,
    session::SessionToken,
    store::Tx,
    validate::Violations,
};
use omnimesh_proto::{
    access::v1::Audience,
    carts::v1::{ClaimCartRequest, cart_service_client::CartServiceClient},
    common::v1::ErrorReason,
    profiles::v1::{
        IdentifierType, ResolveProfileRequest, VerifiedIdentifier, profile_service_client::ProfileServiceClient,
    },
    sessions::v1::{
        IdentifySessionRequest, IdentifySessionResponse, SessionIdentified, identify_session_request::Proof,
    },
};
use tonic::Response;

use super::App;
use crate::{
    domain::{session::Session, verification::VerificationId},
    endings,
    error::Error,
    store,
};

/// The scope with which staff may say who somebody is.
const ASSERT: &str = "identity.assert";
/// How often to begin again when the session changes at the same time.
const TRIES: u32 = 4;

/// What was proved.
struct Proved {
    identifier: VerifiedIdentifier,
    // Used up with it.
    verification: Option<VerificationId>,
}

pub(super) async fn run(
    app: &App,
    call: Call,
    request: IdentifySessionRequest,
) -> Result<Response<IdentifySessionResponse>, Error> {
    let once = Once::new(&call, "sessions.v1.SessionService/IdentifySession", &request.request_id, &request)?;
    let mut v = Violations::new();
    let named = v.parse_optional::<SessionId>("session_id", &request.session_id);
    let proof = v.required("proof", request.proof);
    let (named, proof) = v.finish_with((named, proof))?;
    let id = target(&call, named)?;
    if let Some(stored) = once.stored::<IdentifySessionResponse, Error>(&app.deps.db).await? {
        return Ok(Reply { message: stored, replayed: true }.into_response());
    }
    // Profiles, carts and the session change together or are asked again: a caller who hangs up must not cut this.
    let task = {
        let app = app.clone();
        async move {
            for left in (0..TRIES).rev() {
                match identify(&app, &call, &once, id, &proof).await {
                    Err(Error::SessionChanged) if left > 0 => {}
                    done => return done,
                }
            }
            Err(Error::SessionChanged)
        }
    };
    Ok(app.deps.lifecycle.finish(task).await?.into_response())
}

/// Customers identify their own session, staff the one they serve.
fn target(call: &Call, named: Option<SessionId>) -> Result<SessionId, Fault> {
    match (call.identity().audience(), named) {
        (Audience::Staff, None) => Err(Fault::invalid("session_id", "must be given by staff")),
        (Audience::Staff, Some(id)) if call.identity().has_scope(ASSERT) => Ok(id),
        (Audience::Staff, Some(_)) => {
            let message = format!("identifying a customer needs the scope {ASSERT}");
            Err(Fault::denied(ErrorReason::ScopeMissing, message).metadata("scope", ASSERT))
        }
        (_, named) => {
            let own = call.require_session()?.id;
            match named {
                Some(other) if other != own => Err(Fault::not_found("session", other.to_string())),
                _ => Ok(own),
            }
        }
    }
}

async fn identify(
    app: &App,
    call: &Call,
    once: &Once,
    id: SessionId,
    proof: &Proof,
) -> Result<Reply<IdentifySessionResponse>, Error> {
    let before = session_to_identify(app, call, id).await?;
    let proved = prove(app, call, id, proof).await?;
    let profile = resolve(app, call, proved.identifier).await?;
    let handed = handed_cart(app, &before).await?;
    let cart = claim(app, call, &before, handed.as_deref(), profile).await?;

    let now = app.now();
    // Staff's scan raises the session that the device goes on with: its token stays.
    let token = (call.identity().audience() == Audience::Customer).then(|| SessionToken::generate(id));
    let after = Session {
        token_hash: token.as_ref().map_or(before.token_hash, SessionToken::hash),
        level: SessionLevel::Identified,
        profile: Some(profile),
        cart,
        linked: None,
        version: before.version + 1,
        events: before.events + 1,
        ..before.clone()
    };
    let event =
        SessionIdentified { session_id: id.to_string(), profile_id: profile.to_string(), channel: after.channel };
    let envelope = after.within(call, now);
    let response = IdentifySessionResponse {
        session: Some(after.to_proto()),
        token: token.map(|token| token.reveal().to_owned()).unwrap_or_default(),
    };
    let mut cut = Vec::new();
    let reply = once!(app.deps.db, once, tx => {
        if !store::sessions::update(&mut tx, &after).await? {
            Err(Error::SessionChanged)?;
        }
        if let Some(verification) = proved.verification
            && !store::verifications::use_up(&mut tx, verification, profile, now).await?
        {
            Err(Error::CodeOver)?;
        }
        outbox::append(&mut tx, &envelope, &event.session_id, after.events, &event).await?;
        cut = cut_off(&mut tx, call, &before, handed.as_deref(), profile, now).await?;
        Ok::<_, Error>(response.clone())
    }, stored = |reply| IdentifySessionResponse { token: String::new(), ..reply.clone() })?;
    if !reply.replayed {
        app.publish(Some(&before), &after).await;
        for (id, version) in cut {
            app.end_live(id, version).await;
        }
    }
    Ok(reply)
}

async fn session_to_identify(app: &App, call: &Call, id: SessionId) -> Result<Session, Error> {
    if call.identity().audience() != Audience::Staff {
        return app.provable_session(id).await;
    }
    let not_found = || Error::from(Fault::not_found("session", id.to_string()));
    let session = match app.open_session(id).await {
        Err(Error::SessionOver) => return Err(not_found()),
        other => other?,
    };
    // A device of the store, as kiosk, till and tablet are, and not somebody's own that claims to stand there: its session would
    // be raised in the hand of whoever holds its token.
    let here = session.is_shared() && !session.location.is_empty() && call.identity().works_at(&session.location);
    // A device that was left alone has lost its session, whatever its row says.
    if !here || app.deps.sessions.get(id).await?.live().is_none() {
        return Err(not_found());
    }
    if session.level == SessionLevel::Linked {
        return Err(Error::NotHandedOver("a session that was handed over is identified by its customer, not by staff"));
    }
    Ok(session)
}

async fn prove(app: &App, call: &Call, id: SessionId, proof: &Proof) -> Result<Proved, Error> {
    let staff = call.identity().audience() == Audience::Staff;
    match proof {
        Proof::LoyaltyCard(card) if staff => {
            let mut v = Violations::new();
            let number = v.text("loyalty_card.number", card.number.trim(), 4..=64);
            let (value,) = v.finish_with((number,))?;
            Ok(Proved { identifier: identifier(IdentifierType::LoyaltyCard, value), verification: None })
        }
        Proof::LoyaltyCard(_) => {
            let message = "a loyalty card is scanned by staff: complete a verification instead";
            Err(Fault::denied(ErrorReason::AudienceDenied, message).into())
        }
        Proof::VerificationId(_) | Proof::OidcToken(_) if staff => {
            let message = "staff identify a session by a loyalty card: the customer gives other proofs on a device";
            Err(Fault::denied(ErrorReason::AudienceDenied, message).into())
        }
        Proof::VerificationId(text) => {
            let mut v = Violations::new();
            let verification = v.parse::<VerificationId>("verification_id", text);
            let (verification,) = v.finish_with((verification,))?;
            verified(app, id, verification).await
        }
        Proof::OidcToken(token) => {
            let token = app.oidc.verify(token).await.map_err(|error| match error {
                OidcError::Invalid(why) => Fault::invalid("oidc_token", why),
                other => Fault::from(other),
            })?;
            let value = format!("{} {}", token.issuer, token.subject);
            Ok(Proved { identifier: identifier(IdentifierType::OidcSubject, value), verification: None })
        }
    }
}

async fn verified(app: &App, session: SessionId, id: VerificationId) -> Result<Proved, Error> {
    let mut conn = app.deps.db.read().await?;
    let completed = store::verifications::completed(&mut conn, id, session).await?;
    let known = completed.is_some() || store::verifications::asked_for(&mut conn, id, session).await?;
    drop(conn);
    let Some(completed) = completed else {
        let unknown = Fault::not_found("verification", id.to_string());
        let open = Fault::precondition(
            ErrorReason::NotIdentified,
            "the verification is not completed: CompleteVerification takes its code",
        );
        return Err(if known { open } else { unknown }.into());
    };
    if !completed.is_usable(app.now()) {
        return Err(Error::CodeOver);
    }
    let identifier = match app.open_contact(id, &completed.contact_sealed)? {
        Contact::Email(email) => identifier(IdentifierType::Email, email.into_inner()),
        Contact::Phone(phone) => identifier(IdentifierType::Phone, phone.into_inner()),
    };
    Ok(Proved { identifier, verification: Some(id) })
}

fn identifier(kind: IdentifierType, value: String) -> VerifiedIdentifier {
    VerifiedIdentifier { r#type: kind.into(), value }
}

async fn resolve(app: &App, call: &Call, identifier: VerifiedIdentifier) -> Result<ProfileId, Error> {
    let request =
        ResolveProfileRequest { identifiers: vec![identifier], create_if_missing: true, request_id: String::new() };
    let mut profiles = ProfileServiceClient::new(app.deps.links.to("profiles", call).idempotent());
    let resolved = profiles.resolve_profile(request).await.map_err(Fault::upstream)?.into_inner();
    let id = resolved.profile.map(|profile| profile.profile_id).unwrap_or_default();
    Ok(id.parse().map_err(Fault::internal)?)
}

/// Ends what was handed over while session and cart were somebody else's: whoever planted a session, and handed it to himself
/// before its owner proved who she is, must not stay in it, nor in her cart.
async fn cut_off(
    tx: &mut Tx,
    call: &Call,
    before: &Session,
    handed: Option<&str>,
    profile: ProfileId,
    now: Timestamp,
) -> Result<Vec<(SessionId, i64)>, Error> {
    store::handoffs::revoke_of_others(tx, before.id, profile, now).await?;
    let mut cut = Vec::new();
    for session in store::sessions::handed_over_as_others(tx, before.id, profile, handed).await? {
        cut.push((session.id, endings::end(tx, &session, call, now).await?));
    }
    Ok(cut)
}

/// The cart that identification takes along from a hand-over: a guest's that may be changed, and where there was none yet, the one
/// that was begun since. A customer's stays hers.
async fn handed_cart(app: &App, session: &Session) -> Result<Option<String>, Error> {
    let Some(scope) = session.linked.as_ref().filter(|scope| scope.edit && scope.owner.is_none()) else {
        return Ok(None);
    };
    let Some(source) = scope.guest() else { return Ok(scope.cart.clone()) };
    let source = store::sessions::by_id(&mut app.deps.db.read().await?, source).await?;
    let begun = source.filter(|source| source.profile.is_none()).and_then(|source| source.cart);
    Ok(begun.or_else(|| session.cart.clone()))
}

/// The cart to go on with: never one of somebody whom the session belonged to before.
async fn claim(
    app: &App,
    call: &Call,
    before: &Session,
    handed: Option<&str>,
    profile: ProfileId,
) -> Result<Option<String>, Error> {
    let request = ClaimCartRequest {
        session_id: before.id.to_string(),
        profile_id: profile.to_string(),
        handed_cart_id: handed.unwrap_or_default().to_owned(),
    };
    let mut carts = CartServiceClient::new(app.deps.links.to("carts", call).idempotent());
    let claimed = carts.claim_cart(request).await.map_err(Fault::upstream)?.into_inner();
    let Some(cart) = claimed.cart else { return Ok(None) };
    let owner = cart.profile_id.parse::<ProfileId>().map_err(Fault::internal)?;
    if !customers::are_one(&mut app.deps.db.read().await?, owner, profile).await? {
        // Two services may hear of a merge at different moments: then this one knows in a moment too.
        tracing::warn!(cart.id = %cart.cart_id, "carts answered a claim with a cart that is somebody else's as far as is known here");
        return Err(Fault::unavailable("whose cart it is, is not known at the moment").into());
    }
    Ok(Some(cart.cart_id))
}
