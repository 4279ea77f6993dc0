//! Offers to hand a session over.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::{ProfileId, SessionId},
    store::{Conn, Error, Row},
};
use uuid::Uuid;

use crate::domain::handoff::{Claim, Handoff, HandoffId};

omnimesh_kit::statements! {
    /// A new offer.
    INSERT = "INSERT INTO handoffs (id, source_session_id, profile_id, edit, code_mac, token_mac, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    /// One offer.
    BY_ID = "SELECT id, source_session_id, profile_id, edit, created_at, expires_at, claimed_at, claim_session_id, \
        claim_channel, by_associate, revoked_at FROM handoffs WHERE id = $1";
    /// The offer of a typed code.
    BY_CODE = "SELECT id, source_session_id, profile_id, edit, created_at, expires_at, claimed_at, claim_session_id, \
        claim_channel, by_associate, revoked_at FROM handoffs WHERE code_mac = $1";
    /// The offer of a scanned token.
    BY_TOKEN = "SELECT id, source_session_id, profile_id, edit, created_at, expires_at, claimed_at, claim_session_id, \
        claim_channel, by_associate, revoked_at FROM handoffs WHERE token_mac = $1";
    /// Claims an offer, if nobody did and it still stands.
    CLAIM = "UPDATE handoffs SET claimed_at = $2, claim_session_id = $3, claim_channel = $4, by_associate = $5 \
        WHERE id = $1 AND claimed_at IS NULL AND revoked_at IS NULL AND expires_at > $2";
    /// Takes an offer back, the first time.
    REVOKE = "UPDATE handoffs SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    /// Takes back what a session offers while it is somebody else's than a profile's.
    REVOKE_OF_OTHERS = "UPDATE handoffs SET revoked_at = $2 WHERE source_session_id = $1 AND claimed_at IS NULL \
        AND revoked_at IS NULL AND profile_id IS DISTINCT FROM $3";
    /// Forgets offers that nobody claimed. A claimed one is kept as long as its session: it may still be taken back.
    PRUNE = "DELETE FROM handoffs WHERE expires_at < $1 AND claimed_at IS NULL";
    /// Forgets what profiles offered, and what sessions offered or claimed.
    ERASE = {
        postgres: "DELETE FROM handoffs WHERE profile_id = ANY($1) OR source_session_id = ANY($2) \
            OR claim_session_id = ANY($2)",
        sqlite: "DELETE FROM handoffs WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            OR source_session_id IN (SELECT unhex(value) FROM json_each($2)) \
            OR claim_session_id IN (SELECT unhex(value) FROM json_each($2))",
    };
}

/// A new offer, with the keyed hashes of its code and its token.
pub(crate) async fn insert(
    conn: &mut Conn,
    handoff: &Handoff,
    code_mac: &[u8; 32],
    token_mac: &[u8; 32],
) -> Result<(), Error> {
    let values = args![
        handoff.id.0,
        handoff.source.0,
        handoff.profile.map(|profile| profile.0),
        handoff.edit,
        code_mac,
        token_mac,
        handoff.created_at,
        handoff.expires_at,
    ];
    conn.execute(INSERT, values).await.map(drop)
}

/// One offer.
pub(crate) async fn by_id(conn: &mut Conn, id: HandoffId) -> Result<Option<Handoff>, Error> {
    conn.fetch_optional(BY_ID, args![id.0]).await?.map(|row| handoff_of(&row)).transpose()
}

/// The offer of a typed code.
pub(crate) async fn by_code(conn: &mut Conn, mac: &[u8; 32]) -> Result<Option<Handoff>, Error> {
    conn.fetch_optional(BY_CODE, args![mac]).await?.map(|row| handoff_of(&row)).transpose()
}

/// The offer of a scanned token.
pub(crate) async fn by_token(conn: &mut Conn, mac: &[u8; 32]) -> Result<Option<Handoff>, Error> {
    conn.fetch_optional(BY_TOKEN, args![mac]).await?.map(|row| handoff_of(&row)).transpose()
}

/// Claims an offer; says whether this was the one claim that it allows.
pub(crate) async fn claim(conn: &mut Conn, id: HandoffId, claim: &Claim) -> Result<bool, Error> {
    let values = args![id.0, claim.at, claim.session.0, claim.channel, claim.by_associate];
    Ok(conn.execute(CLAIM, values).await? == 1)
}

/// Takes an offer back; says whether it was the first time.
pub(crate) async fn revoke(conn: &mut Conn, id: HandoffId, now: Timestamp) -> Result<bool, Error> {
    Ok(conn.execute(REVOKE, args![id.0, now]).await? == 1)
}

/// Takes back what a session offers while it is somebody else's than that profile's.
pub(crate) async fn revoke_of_others(
    conn: &mut Conn,
    source: SessionId,
    profile: ProfileId,
    now: Timestamp,
) -> Result<(), Error> {
    conn.execute(REVOKE_OF_OTHERS, args![source.0, now, profile.0]).await.map(drop)
}

/// Forgets offers that nobody claimed until that moment.
pub(crate) async fn prune(conn: &mut Conn, before: Timestamp) -> Result<(), Error> {
    conn.execute(PRUNE, args![before]).await.map(drop)
}

/// Forgets what the profiles offered, and what the sessions offered or claimed.
pub(crate) async fn erase(conn: &mut Conn, profiles: &[ProfileId], sessions: &[SessionId]) -> Result<(), Error> {
    let profiles: Vec<_> = profiles.iter().map(|profile| profile.0).collect();
    let sessions: Vec<_> = sessions.iter().map(|session| session.0).collect();
    conn.execute(ERASE, args![profiles, sessions]).await.map(drop)
}

fn handoff_of(row: &Row) -> Result<Handoff, Error> {
    let claim = match row.get::<Option<Uuid>>("claim_session_id")? {
        Some(session) => Some(Claim {
            at: row.get("claimed_at")?,
            session: SessionId(session),
            channel: row.get("claim_channel")?,
            by_associate: row.get("by_associate")?,
        }),
        None => None,
    };
    Ok(Handoff {
        id: HandoffId(row.get("id")?),
        source: SessionId(row.get("source_session_id")?),
        profile: row.get::<Option<Uuid>>("profile_id")?.map(ProfileId),
        edit: row.get("edit")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        claim,
        revoked_at: row.get("revoked_at")?,
    })
}
