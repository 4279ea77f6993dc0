//! Verifications of addresses.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::{ProfileId, SessionId},
    store::{Conn, Error, Row},
};

use crate::domain::verification::{Completed, OpenCode, TRIES, VerificationId};

omnimesh_kit::statements! {
    /// A new verification.
    INSERT = "INSERT INTO verifications (id, session_id, contact_hash, contact_sealed, code_mac, code_sealed, \
        locale, created_at, expires_at, tries) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)";
    /// Whether the session asked for that verification.
    EXISTS = "SELECT 1 AS one FROM verifications WHERE id = $1 AND session_id = $2";
    /// Counts a try, if one is left: every comparison is paid for before it is made.
    TRY = "UPDATE verifications SET tries = tries + 1 WHERE id = $1 AND session_id = $2 \
        AND completed_at IS NULL AND expires_at > $3 AND tries < $4 RETURNING code_mac";
    /// The proof was given; the code is needed no more.
    COMPLETE = "UPDATE verifications SET completed_at = $2, code_sealed = NULL WHERE id = $1";
    /// A completed verification of a session.
    COMPLETED = "SELECT contact_sealed, completed_at, used_at FROM verifications \
        WHERE id = $1 AND session_id = $2 AND completed_at IS NOT NULL";
    /// Uses a completed verification, once.
    USE = "UPDATE verifications SET used_at = $2, profile_id = $3 WHERE id = $1 AND used_at IS NULL";
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
    /// Forgets what profiles, or a session, proved, and whatever else was sent to the addresses of the profiles.
    ERASE = {
        postgres: "DELETE FROM verifications WHERE profile_id = ANY($1) OR session_id = ANY($2) OR contact_hash IN \
            (SELECT contact_hash FROM verifications WHERE profile_id = ANY($1))",
        sqlite: "DELETE FROM verifications WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            OR session_id IN (SELECT unhex(value) FROM json_each($2)) OR contact_hash IN (SELECT contact_hash \
                FROM verifications WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)))",
    };
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
pub(crate) async fn insert(conn: &mut Conn, new: &NewVerification) -> Result<(), Error> {
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
    conn.execute(INSERT, values).await.map(drop)
}

/// Whether the session asked for that verification.
pub(crate) async fn asked_for(conn: &mut Conn, id: VerificationId, session: SessionId) -> Result<bool, Error> {
    Ok(conn.fetch_optional(EXISTS, args![id.0, session.0]).await?.is_some())
}

/// Counts a try; the code's hash, if one was left.
pub(crate) async fn count_try(
    conn: &mut Conn,
    id: VerificationId,
    session: SessionId,
    now: Timestamp,
) -> Result<Option<[u8; 32]>, Error> {
    let row = conn.fetch_optional(TRY, args![id.0, session.0, now, TRIES]).await?;
    row.map(|row| row.get("code_mac")).transpose()
}

/// The proof was given.
pub(crate) async fn complete(conn: &mut Conn, id: VerificationId, now: Timestamp) -> Result<(), Error> {
    conn.execute(COMPLETE, args![id.0, now]).await.map(drop)
}

/// A completed verification of a session.
pub(crate) async fn completed(
    conn: &mut Conn,
    id: VerificationId,
    session: SessionId,
) -> Result<Option<Completed>, Error> {
    let row = conn.fetch_optional(COMPLETED, args![id.0, session.0]).await?;
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
    Ok(conn.execute(USE, args![id.0, now, profile.0]).await? == 1)
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

/// Forgets what the profiles and sessions proved or asked for, and whatever else was sent to the addresses that the
/// profiles proved: somebody may have proved one as a guest.
pub(crate) async fn erase(conn: &mut Conn, profiles: &[ProfileId], sessions: &[SessionId]) -> Result<(), Error> {
    let profiles: Vec<_> = profiles.iter().map(|profile| profile.0).collect();
    let sessions: Vec<_> = sessions.iter().map(|session| session.0).collect();
    conn.execute(ERASE, args![profiles, sessions]).await.map(drop)
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
