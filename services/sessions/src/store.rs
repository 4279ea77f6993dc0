//! The SQL of sessions, verifications and API keys: named constants, one function per question.

use std::time::Duration;

use omnimesh_kit::{
    args,
    auth::SessionLevel,
    clock::Timestamp,
    ids::{JourneyId, ProfileId, SessionId},
    store::{Conn, Error, Row},
};
use omnimesh_proto::{common::v1::Channel, sessions::v1::ApiKeyKind};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::domain::{
    api_key::{ApiKey, KeySpec},
    session::Session,
    verification::{Completed, OpenCode, TRIES, VerificationId},
};

omnimesh_kit::statements! {
    /// A new session.
    SESSION_INSERT = "INSERT INTO sessions (id, token_hash, channel, device, locale, level, profile_id, cart_id, journey_id, \
        location_id, started_at, expires_at, idle_seconds, ended_at, version, events) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    /// One session.
    SESSION_BY_ID = "SELECT id, token_hash, channel, device, locale, level, profile_id, cart_id, journey_id, location_id, \
        started_at, expires_at, idle_seconds, ended_at, version, events FROM sessions WHERE id = $1";
    /// What changes in a session, if it has the version before.
    SESSION_UPDATE = "UPDATE sessions SET token_hash = $3, level = $4, profile_id = $5, cart_id = $6, ended_at = $7, \
        version = $8, events = $9 WHERE id = $1 AND version = $2";
    /// Forgets sessions that ended long ago, with their verifications.
    SESSION_PRUNE = "DELETE FROM sessions WHERE expires_at < $1";

    /// A new verification.
    VERIFICATION_INSERT = "INSERT INTO verifications (id, session_id, contact_hash, contact_sealed, code_mac, code_sealed, \
        locale, created_at, expires_at, tries) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)";
    /// Whether the session asked for that verification.
    VERIFICATION_EXISTS = "SELECT 1 AS one FROM verifications WHERE id = $1 AND session_id = $2";
    /// Counts a try, if one is left: every comparison is paid for before it is made.
    VERIFICATION_TRY = "UPDATE verifications SET tries = tries + 1 WHERE id = $1 AND session_id = $2 \
        AND completed_at IS NULL AND expires_at > $3 AND tries < $4 RETURNING code_mac";
    /// The proof was given; the code is needed no more.
    VERIFICATION_COMPLETE = "UPDATE verifications SET completed_at = $2, code_sealed = NULL WHERE id = $1";
    /// A completed verification of a session.
    VERIFICATION_COMPLETED = "SELECT contact_sealed, completed_at, used_at FROM verifications \
        WHERE id = $1 AND session_id = $2 AND completed_at IS NOT NULL";
    /// Uses a completed verification, once.
    VERIFICATION_USE = "UPDATE verifications SET used_at = $2, profile_id = $3 WHERE id = $1 AND used_at IS NULL";
    /// Codes that can still be completed, oldest first.
    OPEN_CODES = "SELECT id, contact_sealed, code_sealed, locale, expires_at FROM verifications WHERE completed_at IS NULL \
        AND code_sealed IS NOT NULL AND expires_at > $1 AND tries < $2 ORDER BY created_at, id LIMIT 1000";
    /// One of them.
    OPEN_CODE = "SELECT id, contact_sealed, code_sealed, locale, expires_at FROM verifications WHERE id = $3 AND \
        completed_at IS NULL AND code_sealed IS NOT NULL AND expires_at > $1 AND tries < $2";
    /// Whether a session proved a contact, or its profile did in another session. What a session proved for somebody else
    /// does not count for whom it belongs to now.
    CONTACT_PROVED = "SELECT 1 AS one FROM verifications AS v JOIN sessions AS s ON s.id = $1 \
        WHERE v.contact_hash = $2 AND v.completed_at IS NOT NULL AND ((v.session_id = s.id \
            AND (v.profile_id IS NULL OR s.profile_id IS NULL OR v.profile_id = s.profile_id)) \
            OR v.profile_id = s.profile_id) LIMIT 1";
    /// Erases codes that can't be completed any more.
    ERASE_DEAD_CODES = "UPDATE verifications SET code_sealed = NULL WHERE completed_at IS NULL AND expires_at < $1 \
        AND code_sealed IS NOT NULL";

    /// A new key.
    KEY_INSERT = "INSERT INTO api_keys (key_id, secret_hash, kind, display_name, scopes, origins, channels, account_id, \
        created_at, expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL)";
    /// One key.
    KEY_BY_ID = "SELECT key_id, secret_hash, kind, display_name, scopes, origins, channels, account_id, created_at, \
        expires_at, revoked_at FROM api_keys WHERE key_id = $1";
    /// Keys, newest first, after one.
    KEYS_AFTER = "SELECT key_id, secret_hash, kind, display_name, scopes, origins, channels, account_id, created_at, \
        expires_at, revoked_at FROM api_keys WHERE created_at < $1 OR (created_at = $1 AND key_id < $2) \
        ORDER BY created_at DESC, key_id DESC LIMIT $3";
    /// Revokes a key, the first time.
    KEY_REVOKE = "UPDATE api_keys SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL";
}

/// A new session.
pub(crate) async fn insert_session(conn: &mut Conn, session: &Session) -> Result<(), Error> {
    let values = args![
        session.id.0,
        session.token_hash,
        session.channel,
        session.device,
        &session.locale,
        level_text(session.level),
        session.profile.map(|profile| profile.0),
        session.cart.clone(),
        session.journey.0,
        &session.location,
        session.started_at,
        session.expires_at,
        session.idle.map(|idle| i64::try_from(idle.as_secs()).unwrap_or(i64::MAX)),
        session.ended_at,
        session.version,
        session.events,
    ];
    conn.execute(SESSION_INSERT, values).await.map(drop)
}

/// One session.
pub(crate) async fn session(conn: &mut Conn, id: SessionId) -> Result<Option<Session>, Error> {
    conn.fetch_optional(SESSION_BY_ID, args![id.0]).await?.map(|row| session_of(&row)).transpose()
}

/// Writes what changed in a session of version `version - 1`; says whether it still had that version.
pub(crate) async fn update_session(conn: &mut Conn, session: &Session) -> Result<bool, Error> {
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
    ];
    Ok(conn.execute(SESSION_UPDATE, values).await? == 1)
}

/// Forgets sessions that ended before that moment.
pub(crate) async fn prune(conn: &mut Conn, before: Timestamp) -> Result<u64, Error> {
    conn.execute(SESSION_PRUNE, args![before]).await
}

/// What a new verification is made of.
pub(crate) struct NewVerification {
    pub(crate) id: VerificationId,
    pub(crate) session: SessionId,
    pub(crate) contact_hash: [u8; 32],
    pub(crate) contact_sealed: Vec<u8>,
    pub(crate) code_mac: [u8; 32],
    pub(crate) code_sealed: Vec<u8>,
    pub(crate) locale: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// A new verification.
pub(crate) async fn insert_verification(conn: &mut Conn, new: &NewVerification) -> Result<(), Error> {
    let values = args![
        new.id.0,
        new.session.0,
        new.contact_hash,
        &new.contact_sealed,
        new.code_mac,
        &new.code_sealed,
        &new.locale,
        new.created_at,
        new.expires_at,
    ];
    conn.execute(VERIFICATION_INSERT, values).await.map(drop)
}

/// Whether the session asked for that verification.
pub(crate) async fn asked_for(conn: &mut Conn, id: VerificationId, session: SessionId) -> Result<bool, Error> {
    Ok(conn.fetch_optional(VERIFICATION_EXISTS, args![id.0, session.0]).await?.is_some())
}

/// Counts a try; the code's hash, if one was left.
pub(crate) async fn count_try(
    conn: &mut Conn,
    id: VerificationId,
    session: SessionId,
    now: Timestamp,
) -> Result<Option<[u8; 32]>, Error> {
    let row = conn.fetch_optional(VERIFICATION_TRY, args![id.0, session.0, now, TRIES]).await?;
    row.map(|row| row.get("code_mac")).transpose()
}

/// The proof was given.
pub(crate) async fn complete(conn: &mut Conn, id: VerificationId, now: Timestamp) -> Result<(), Error> {
    conn.execute(VERIFICATION_COMPLETE, args![id.0, now]).await.map(drop)
}

/// A completed verification of a session.
pub(crate) async fn completed(
    conn: &mut Conn,
    id: VerificationId,
    session: SessionId,
) -> Result<Option<Completed>, Error> {
    let row = conn.fetch_optional(VERIFICATION_COMPLETED, args![id.0, session.0]).await?;
    row.map(|row| {
        Ok(Completed {
            contact_sealed: row.get("contact_sealed")?,
            completed_at: row.get("completed_at")?,
            used: row.get::<Option<i64>>("used_at")?.is_some(),
        })
    })
    .transpose()
}

/// Uses a completed verification; says whether it was the first time.
pub(crate) async fn use_up(
    conn: &mut Conn,
    id: VerificationId,
    profile: ProfileId,
    now: Timestamp,
) -> Result<bool, Error> {
    Ok(conn.execute(VERIFICATION_USE, args![id.0, now, profile.0]).await? == 1)
}

/// Codes that can still be completed, oldest first.
pub(crate) async fn open_codes(conn: &mut Conn, now: Timestamp) -> Result<Vec<OpenCode>, Error> {
    conn.fetch_all(OPEN_CODES, args![now, TRIES]).await?.iter().map(open_code_of).collect()
}

/// One of them.
pub(crate) async fn open_code(conn: &mut Conn, id: VerificationId, now: Timestamp) -> Result<Option<OpenCode>, Error> {
    conn.fetch_optional(OPEN_CODE, args![now, TRIES, id.0]).await?.map(|row| open_code_of(&row)).transpose()
}

/// Whether a session or its profile proved a contact.
pub(crate) async fn has_proved(conn: &mut Conn, session: SessionId, contact: &[u8; 32]) -> Result<bool, Error> {
    Ok(conn.fetch_optional(CONTACT_PROVED, args![session.0, contact]).await?.is_some())
}

/// Erases codes that expired.
pub(crate) async fn erase_dead_codes(conn: &mut Conn, now: Timestamp) -> Result<u64, Error> {
    conn.execute(ERASE_DEAD_CODES, args![now]).await
}

/// A new key.
pub(crate) async fn insert_key(conn: &mut Conn, key: &ApiKey) -> Result<(), Error> {
    let channels: Vec<i32> = key.spec.channels.iter().map(|channel| *channel as i32).collect();
    let values = args![
        &key.id,
        key.secret_hash,
        key.spec.kind as i32,
        &key.spec.display_name,
        serde_json::json!(key.spec.scopes).to_string(),
        serde_json::json!(key.spec.origins).to_string(),
        serde_json::json!(channels).to_string(),
        &key.spec.account,
        key.created_at,
        key.expires_at,
    ];
    conn.execute(KEY_INSERT, values).await.map(drop)
}

/// One key.
pub(crate) async fn key(conn: &mut Conn, id: &str) -> Result<Option<ApiKey>, Error> {
    conn.fetch_optional(KEY_BY_ID, args![id]).await?.map(|row| key_of(&row)).transpose()
}

/// Keys, newest first, after one.
pub(crate) async fn keys_after(
    conn: &mut Conn,
    created_at: Timestamp,
    id: &str,
    limit: i64,
) -> Result<Vec<ApiKey>, Error> {
    conn.fetch_all(KEYS_AFTER, args![created_at, id, limit]).await?.iter().map(key_of).collect()
}

/// Revokes a key, the first time.
pub(crate) async fn revoke_key(conn: &mut Conn, id: &str, now: Timestamp) -> Result<(), Error> {
    conn.execute(KEY_REVOKE, args![id, now]).await.map(drop)
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
        linked: None,
        assisted_by: None,
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

fn open_code_of(row: &Row) -> Result<OpenCode, Error> {
    Ok(OpenCode {
        id: VerificationId(row.get("id")?),
        contact_sealed: row.get("contact_sealed")?,
        code_sealed: row.get("code_sealed")?,
        locale: row.get("locale")?,
        expires_at: row.get("expires_at")?,
    })
}

fn key_of(row: &Row) -> Result<ApiKey, Error> {
    let channels: Vec<i32> = json(row, "channels")?;
    let channels = channels.into_iter().map(Channel::try_from).collect::<Result<_, _>>();
    let spec = KeySpec {
        kind: ApiKeyKind::try_from(row.get::<i32>("kind")?).map_err(|_| malformed("kind"))?,
        display_name: row.get("display_name")?,
        scopes: json(row, "scopes")?,
        origins: json(row, "origins")?,
        channels: channels.map_err(|_| malformed("channels"))?,
        account: row.get("account_id")?,
        ttl: None,
    };
    Ok(ApiKey {
        id: row.get("key_id")?,
        secret_hash: row.get("secret_hash")?,
        spec,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, Error> {
    serde_json::from_str(&row.get::<String>(column)?).map_err(|_| malformed(column))
}

fn malformed(column: &str) -> Error {
    Error::Column { column: column.to_owned(), problem: "not one of the known forms".to_owned() }
}

const LEVELS: [(SessionLevel, &str); 3] =
    [(SessionLevel::Guest, "guest"), (SessionLevel::Linked, "linked"), (SessionLevel::Identified, "identified")];

fn level_text(level: SessionLevel) -> &'static str {
    LEVELS.iter().find(|(known, _)| *known == level).map_or("guest", |(_, text)| text)
}

fn level_of(text: &str) -> Option<SessionLevel> {
    LEVELS.iter().find(|(_, known)| *known == text).map(|(level, _)| *level)
}
