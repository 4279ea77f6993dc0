//! StartSession: a guest's session, its token shown once.

use omnimesh_kit::{
    auth::SessionLevel,
    call::Call,
    error::Fault,
    ids::{JourneyId, SessionId},
    locale::Locale,
    outbox,
    session::SessionToken,
    transaction,
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::{Channel, DeviceClass, ErrorReason},
    sessions::v1::{SessionStarted, StartSessionRequest, StartSessionResponse},
};
use tonic::Response;

use super::App;
use crate::{
    domain::session::{Session, channel_scope, lifetime, may_use_channel},
    error::Error,
    store,
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: StartSessionRequest,
) -> Result<Response<StartSessionResponse>, Error> {
    let mut v = Violations::new();
    let channel = v.choice::<Channel>("channel", request.channel);
    let device = v.choice::<DeviceClass>("device_class", request.device_class);
    let locale = v.parse::<Locale>("locale", if request.locale.is_empty() { "en" } else { &request.locale });
    let location = location_id(&mut v, &request.location_id);
    let (channel, device, locale, location) = v.finish_with((channel, device, locale, location))?;
    channel_of_key(&call, channel)?;

    let now = app.now();
    let id = SessionId::new(now);
    let token = SessionToken::generate(id);
    let (whole, idle) = lifetime(channel, device, &app.settings);
    let session = Session {
        id,
        token_hash: token.hash(),
        channel: channel.into(),
        device: device.into(),
        locale: locale.to_string(),
        level: SessionLevel::Guest,
        profile: None,
        cart: None,
        linked: None,
        assisted_by: None,
        journey: JourneyId::new(now),
        location,
        started_at: now,
        expires_at: now.plus(whole),
        idle,
        ended_at: None,
        version: 1,
        events: 1,
    };
    let call = session.within(&call, now);
    let started = SessionStarted { session_id: id.to_string(), channel: channel.into() };
    transaction!(app.deps.db, tx => {
        store::sessions::insert(&mut tx, &session).await?;
        outbox::append(&mut tx, &call, &started.session_id, session.events, &started).await?;
        Ok::<_, Error>(())
    })?;
    app.deps.sessions.put(&session.live(now)).await?;
    Ok(Response::new(StartSessionResponse { session: Some(session.to_proto()), token: token.reveal().to_owned() }))
}

/// Whether the credential may start sessions in a channel.
pub(super) fn channel_of_key(call: &Call, channel: Channel) -> Result<(), Fault> {
    if may_use_channel(&call.identity().scopes, channel) {
        return Ok(());
    }
    let scope = channel_scope(channel);
    let message = format!("the key is not for this channel: it lacks {scope}");
    Err(Fault::denied(ErrorReason::ScopeMissing, message).metadata("scope", scope))
}

/// The form of a location id (catalog.v1.Location); whether there is such a store is not asked: the id grants nothing.
pub(super) fn location_id(v: &mut Violations, text: &str) -> Option<String> {
    let fits = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    v.check("location_id", fits, "must have up to 64 lower-case letters, digits and hyphens");
    fits.then(|| text.to_owned())
}
