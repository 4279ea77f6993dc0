//! Sessions.

use std::time::Duration;

use omnimesh_kit::{
    args,
    auth::{LinkedScope, SessionLevel},
    clock::Timestamp,
    ids::{JourneyId, ProfileId, SessionId},
    store::{Conn, Error, Row},
};
use uuid::Uuid;

use super::malformed;
use crate::domain::session::Session;

omnimesh_kit::statements! {
    /// A new session.
    INSERT = "INSERT INTO sessions (id, token_hash, channel, device, locale, level, profile_id, cart_id, linked_edit, \
        linked_cart_id, linked_owner_id, assisted_by, journey_id, location_id, started_at, expires_at, idle_seconds, \
        ended_at, version, events, linked_source_id) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
    /// One session.
    BY_ID = "SELECT id, token_hash, channel, device, locale, level, profile_id, cart_id, linked_edit, linked_cart_id, \
        linked_owner_id, assisted_by, journey_id, location_id, started_at, expires_at, idle_seconds, ended_at, version, \
        events, linked_source_id FROM sessions WHERE id = $1";
    /// What changes in a session, if it has the version before.
    UPDATE = "UPDATE sessions SET token_hash = $3, level = $4, profile_id = $5, cart_id = $6, ended_at = $7, \
        version = $8, events = $9, linked_edit = $10, linked_cart_id = $11, linked_owner_id = $12, \
        linked_source_id = $13 \
        WHERE id = $1 AND version = $2";
    /// Sessions to which another session, or a cart, was handed over as somebody else's than a profile's.
    HANDED_OVER_AS_OTHERS = "SELECT id, token_hash, channel, device, locale, level, profile_id, cart_id, linked_edit, \
        linked_cart_id, linked_owner_id, assisted_by, journey_id, location_id, started_at, expires_at, idle_seconds, \
        ended_at, version, events, linked_source_id FROM sessions WHERE level = 'linked' AND ended_at IS NULL AND id <> $1 \
        AND linked_owner_id IS DISTINCT FROM $2 AND (linked_cart_id = $3 \
            OR id IN (SELECT claim_session_id FROM handoffs WHERE source_session_id = $1)) ORDER BY id";
    /// Every session of some profiles, and those to which theirs were handed over.
    OF_PROFILES = {
        postgres: "SELECT id, token_hash, channel, device, locale, level, profile_id, cart_id, linked_edit, \
            linked_cart_id, linked_owner_id, assisted_by, journey_id, location_id, started_at, expires_at, idle_seconds, \
            ended_at, version, events, linked_source_id FROM sessions WHERE profile_id = ANY($1) OR linked_owner_id = ANY($1) ORDER BY id",
        sqlite: "SELECT id, token_hash, channel, device, locale, level, profile_id, cart_id, linked_edit, \
            linked_cart_id, linked_owner_id, assisted_by, journey_id, location_id, started_at, expires_at, idle_seconds, \
            ended_at, version, events, linked_source_id FROM sessions WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            OR linked_owner_id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY id",
    };
    /// Forgets a session, with its verifications and what it offered.
    DELETE = "DELETE FROM sessions WHERE id = $1";
    /// Forgets sessions that ended long ago, with their verifications.
    PRUNE = "DELETE FROM sessions WHERE expires_at < $1";
}

/// A new session.
pub(crate) async fn insert(conn: &mut Conn, session: &Session) -> Result<(), Error> {
    let linked = session.linked.as_ref();
    let values = args![
        session.id.0,
        session.token_hash,
        session.channel,
        session.device,
        &session.locale,
        level_text(session.level),
        session.profile.map(|profile| profile.0),
        session.cart.clone(),
        linked.map(|scope| scope.edit),
        linked.and_then(|scope| scope.cart.clone()),
        linked.and_then(|scope| scope.owner).map(|owner| owner.0),
        session.assisted_by.clone(),
        session.journey.0,
        &session.location,
        session.started_at,
        session.expires_at,
        session.idle.map(|idle| i64::try_from(idle.as_secs()).unwrap_or(i64::MAX)),
        session.ended_at,
        session.version,
        session.events,
        linked.and_then(|scope| scope.source).map(|source| source.0),
    ];
    conn.execute(INSERT, values).await.map(drop)
}

/// One session.
pub(crate) async fn by_id(conn: &mut Conn, id: SessionId) -> Result<Option<Session>, Error> {
    conn.fetch_optional(BY_ID, args![id.0]).await?.map(|row| session_of(&row)).transpose()
}

/// Writes what changed in a session of version `version - 1`; says whether it still had that version.
pub(crate) async fn update(conn: &mut Conn, session: &Session) -> Result<bool, Error> {
    let linked = session.linked.as_ref();
    let values = args![
        session.id.0,
        session.version - 1,
        session.token_hash,
        level_text(session.level),
        session.profile.map(|profile| profile.0),
        session.cart.clone(),
        session.ended_at,
        session.version,
        session.events,
        linked.map(|scope| scope.edit),
        linked.and_then(|scope| scope.cart.clone()),
        linked.and_then(|scope| scope.owner).map(|owner| owner.0),
        linked.and_then(|scope| scope.source).map(|source| source.0),
    ];
    Ok(conn.execute(UPDATE, values).await? == 1)
}

/// Sessions other than `source` that were given it, or the cart, while it was somebody else's than that profile's.
pub(crate) async fn handed_over_as_others(
    conn: &mut Conn,
    source: SessionId,
    profile: ProfileId,
    cart: Option<&str>,
) -> Result<Vec<Session>, Error> {
    let values = args![source.0, profile.0, cart.map(str::to_owned)];
    conn.fetch_all(HANDED_OVER_AS_OTHERS, values).await?.iter().map(session_of).collect()
}

/// Every session of the profiles, and those to which theirs were handed over; also ended ones.
pub(crate) async fn of_profiles(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<Session>, Error> {
    let profiles: Vec<_> = profiles.iter().map(|profile| profile.0).collect();
    conn.fetch_all(OF_PROFILES, args![profiles]).await?.iter().map(session_of).collect()
}

/// Forgets a session, with its verifications and what it offered.
pub(crate) async fn delete(conn: &mut Conn, id: SessionId) -> Result<(), Error> {
    conn.execute(DELETE, args![id.0]).await.map(drop)
}

/// Forgets sessions that ended before that moment.
pub(crate) async fn prune(conn: &mut Conn, before: Timestamp) -> Result<u64, Error> {
    conn.execute(PRUNE, args![before]).await
}

fn session_of(row: &Row) -> Result<Session, Error> {
    let level = row.get::<String>("level")?;
    let idle = row.get::<Option<i64>>("idle_seconds")?;
    Ok(Session {
        id: SessionId(row.get("id")?),
        token_hash: row.get("token_hash")?,
        channel: row.get("channel")?,
        device: row.get("device")?,
        locale: row.get("locale")?,
        level: level_of(&level).ok_or_else(|| malformed("level"))?,
        profile: row.get::<Option<Uuid>>("profile_id")?.map(ProfileId),
        cart: row.get("cart_id")?,
        linked: linked_of(row)?,
        assisted_by: row.get("assisted_by")?,
        journey: JourneyId(row.get("journey_id")?),
        location: row.get("location_id")?,
        started_at: row.get("started_at")?,
        expires_at: row.get("expires_at")?,
        idle: idle.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        ended_at: row.get("ended_at")?,
        version: row.get("version")?,
        events: row.get("events")?,
    })
}

fn linked_of(row: &Row) -> Result<Option<LinkedScope>, Error> {
    let Some(edit) = row.get::<Option<bool>>("linked_edit")? else { return Ok(None) };
    let owner = row.get::<Option<Uuid>>("linked_owner_id")?.map(ProfileId);
    let source = row.get::<Option<Uuid>>("linked_source_id")?.map(SessionId);
    Ok(Some(LinkedScope { cart: row.get("linked_cart_id")?, owner, edit, source }))
}

const LEVELS: [(SessionLevel, &str); 3] =
    [(SessionLevel::Guest, "guest"), (SessionLevel::Linked, "linked"), (SessionLevel::Identified, "identified")];

fn level_text(level: SessionLevel) -> &'static str {
    LEVELS.iter().find(|(known, _)| *known == level).map_or("guest", |(_, text)| text)
}

fn level_of(text: &str) -> Option<SessionLevel> {
    LEVELS.iter().find(|(_, known)| *known == text).map(|(level, _)| *level)
}
