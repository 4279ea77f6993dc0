//! Whose a session or an order is, so that what happened in it finds its customer.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    customers::Held,
    ids::{ProfileId, SessionId},
    store::{Conn, Error},
};
use uuid::Uuid;

omnimesh_kit::statements! {
    /// Locks a session's row; makes it if it is new.
    LINEAGE_LOCK = "INSERT INTO lineages (session_id, touched) VALUES ($1, $2) \
        ON CONFLICT (session_id) DO UPDATE SET touched = excluded.touched";
    /// Whose a session is from a moment on.
    HOLDER_INSERT = "INSERT INTO holders (session_id, since, profile_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    /// All of them, in the order of time. A session that nobody held and that goes on in another was the first one's there.
    HOLDERS = "SELECT since, profile_id FROM holders WHERE session_id = $1 UNION ALL SELECT since, profile_id FROM \
        (SELECT h.since, h.profile_id FROM continued AS c JOIN holders AS h ON h.session_id = c.session_id \
            WHERE c.source_session_id = $1 AND NOT EXISTS (SELECT 1 FROM holders AS o WHERE o.session_id = $1) \
            ORDER BY h.since LIMIT 1) AS f ORDER BY since LIMIT 1000";
    /// A session goes on in another.
    CONTINUED_INSERT = "INSERT INTO continued (source_session_id, session_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    /// The sessions that go on in one.
    CONTINUED = "SELECT source_session_id FROM continued WHERE session_id = $1 ORDER BY source_session_id LIMIT 100";
    /// The sessions that nobody held and that go on in one that was some profiles' first.
    CONTINUED_BY = {
        postgres: "SELECT c.source_session_id FROM holders AS h JOIN continued AS c ON c.session_id = h.session_id \
            WHERE h.profile_id = ANY($1) AND NOT EXISTS (SELECT 1 FROM holders AS e WHERE e.session_id = h.session_id \
                AND e.since < h.since) \
            AND NOT EXISTS (SELECT 1 FROM holders AS o WHERE o.session_id = c.source_session_id) \
            ORDER BY h.since DESC LIMIT 20000",
        sqlite: "SELECT c.source_session_id FROM holders AS h JOIN continued AS c ON c.session_id = h.session_id \
            WHERE h.profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            AND NOT EXISTS (SELECT 1 FROM holders AS e WHERE e.session_id = h.session_id AND e.since < h.since) \
            AND NOT EXISTS (SELECT 1 FROM holders AS o WHERE o.session_id = c.source_session_id) \
            ORDER BY h.since DESC LIMIT 20000",
    };
    /// Who held the sessions that some profiles held, in the order of time; the latest sessions, should they be too many to tell.
    HELD_BY = {
        postgres: "SELECT h.session_id, h.since, h.profile_id FROM holders AS h WHERE h.session_id IN \
            (SELECT session_id FROM holders WHERE profile_id = ANY($1) GROUP BY session_id ORDER BY MAX(since) DESC LIMIT 20000) \
            ORDER BY h.session_id, h.since",
        sqlite: "SELECT h.session_id, h.since, h.profile_id FROM holders AS h WHERE h.session_id IN \
            (SELECT session_id FROM holders WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            GROUP BY session_id ORDER BY MAX(since) DESC LIMIT 20000) ORDER BY h.session_id, h.since",
    };
    /// Gives what a session did in a time to a profile, but for what says itself whose it is.
    LINEAGE_ATTACH = "UPDATE interactions SET profile_id = $4 WHERE lineage = $1 AND attach_at >= $2 AND attach_at < $3 \
        AND fixed = $5";
    /// Whose an order is.
    ORDER_OWNER_INSERT = "INSERT INTO order_owners (order_id, profile_id, session_id, placed_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT DO NOTHING";
    /// The same, asked.
    ORDER_OWNER = "SELECT profile_id, session_id, placed_at FROM order_owners WHERE order_id = $1";
    /// Gives what is known of an order to its owner.
    ORDER_ATTACH = "UPDATE interactions SET profile_id = $2, fixed = $3, lineage = $4, attach_at = $5 WHERE order_id = $1";
}

/// Locks a session's row until the transaction ends.
pub(crate) async fn lock_lineage(conn: &mut Conn, session: &str, now: Timestamp) -> Result<(), Error> {
    conn.execute(LINEAGE_LOCK, args![session, now]).await.map(drop)
}

/// Whose a session is from a moment on; says whether that is new.
pub(crate) async fn insert_holder(
    conn: &mut Conn,
    session: &str,
    since: Timestamp,
    profile: ProfileId,
) -> Result<bool, Error> {
    Ok(conn.execute(HOLDER_INSERT, args![session, since, profile.0]).await? == 1)
}

/// All of them, in the order of time.
pub(crate) async fn holders(conn: &mut Conn, session: &str) -> Result<Vec<(Timestamp, ProfileId)>, Error> {
    let rows = conn.fetch_all(HOLDERS, args![session]).await?;
    rows.iter().map(|row| Ok((row.get("since")?, ProfileId(row.get("profile_id")?)))).collect()
}

/// A session goes on in another; says whether that is new.
pub(crate) async fn insert_continued(conn: &mut Conn, source: &str, session: &str) -> Result<bool, Error> {
    Ok(conn.execute(CONTINUED_INSERT, args![source, session]).await? == 1)
}

/// The sessions that go on in one.
pub(crate) async fn continued(conn: &mut Conn, session: &str) -> Result<Vec<String>, Error> {
    let rows = conn.fetch_all(CONTINUED, args![session]).await?;
    rows.iter().map(|row| row.get("source_session_id")).collect()
}

/// The times in which sessions were some profiles', each from its beginning for the first who held it.
pub(crate) async fn held(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<Held>, Error> {
    let rows = conn.fetch_all(HELD_BY, args![super::uuids(profiles)]).await?;
    let mut all = Vec::new();
    for row in &rows {
        let holder = ProfileId(row.get("profile_id")?);
        all.push((row.get::<String>("session_id")?, row.get::<Timestamp>("since")?, holder));
    }
    let mut held = Vec::new();
    for (index, (session, since, holder)) in all.iter().enumerate() {
        // What is no session's id is kept nowhere.
        let (true, Ok(id)) = (profiles.contains(holder), session.parse::<SessionId>()) else { continue };
        let before = index.checked_sub(1).and_then(|index| all.get(index)).filter(|(before, ..)| before == session);
        let next = all.get(index + 1).filter(|(next, ..)| next == session);
        held.push(Held { session: id, from: before.map(|_| *since), until: next.map(|(_, since, _)| *since) });
    }
    for row in conn.fetch_all(CONTINUED_BY, args![super::uuids(profiles)]).await? {
        if let Ok(session) = row.get::<String>("source_session_id")?.parse() {
            held.push(Held { session, from: None, until: None });
        }
    }
    Ok(held)
}

/// Gives what a session did from a moment until another to a profile.
pub(crate) async fn attach_lineage(
    conn: &mut Conn,
    session: &str,
    from: Timestamp,
    until: Timestamp,
    profile: ProfileId,
) -> Result<(), Error> {
    conn.execute(LINEAGE_ATTACH, args![session, from, until, profile.0, false]).await.map(drop)
}

/// Whose an order is.
pub(crate) struct OrderOwner {
    pub(crate) profile: Option<ProfileId>,
    pub(crate) session: String,
    pub(crate) placed_at: Timestamp,
}

/// Whose an order is; the first word stands.
pub(crate) async fn insert_order_owner(conn: &mut Conn, order: &str, owner: &OrderOwner) -> Result<(), Error> {
    let profile = owner.profile.map(|profile| profile.0);
    conn.execute(ORDER_OWNER_INSERT, args![order, profile, &owner.session, owner.placed_at]).await.map(drop)
}

/// Whose an order is, as far as it is known.
pub(crate) async fn order_owner(conn: &mut Conn, order: &str) -> Result<Option<OrderOwner>, Error> {
    let row = conn.fetch_optional(ORDER_OWNER, args![order]).await?;
    row.map(|row| {
        let profile = row.get::<Option<Uuid>>("profile_id")?.map(ProfileId);
        Ok(OrderOwner { profile, session: row.get("session_id")?, placed_at: row.get("placed_at")? })
    })
    .transpose()
}

/// Gives what was heard of an order before it was known whose it is to its owner. Holders of a guest's session follow when the
/// session's own events are attached.
pub(crate) async fn attach_order(conn: &mut Conn, order: &str, owner: &OrderOwner) -> Result<(), Error> {
    let profile = owner.profile.map(|profile| profile.0);
    let values = args![order, profile, owner.profile.is_some(), &owner.session, owner.placed_at];
    conn.execute(ORDER_ATTACH, values).await.map(drop)
}
