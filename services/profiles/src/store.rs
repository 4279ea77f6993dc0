//! The SQL of profiles, identifiers and the timeline: named constants, one function per question.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error, Row},
    typed_id,
};
use omnimesh_proto::{common::v1::Actor, profiles::v1 as proto};
use prost::Message as _;
use uuid::Uuid;

use crate::domain::timeline::Happening;

typed_id!(
    /// An interaction's id: that of its event.
    InteractionId, "interaction");

omnimesh_kit::statements! {
    /// A new profile.
    PROFILE_INSERT = "INSERT INTO profiles (id, created_at, version, events) VALUES ($1, $2, 1, 0)";
    /// One profile.
    PROFILE_BY_ID = "SELECT id, created_at, version, events FROM profiles WHERE id = $1";
    /// Counts a change and its events.
    PROFILE_CHANGED = "UPDATE profiles SET version = version + $2, events = events + 1 WHERE id = $1 RETURNING events";
    /// The profile that an identifier belongs to.
    PROFILE_OF = "SELECT p.id, p.created_at, p.version, p.events FROM identifiers AS i \
        JOIN profiles AS p ON p.id = i.profile_id WHERE i.type = $1 AND i.value_hash = $2";
    /// What a profile is known by, in the order in which it was proved.
    IDENTIFIERS = "SELECT type, value, strength, verified_at, source FROM identifiers WHERE profile_id = $1 \
        ORDER BY verified_at, type, value_hash LIMIT 200";
    /// A proved identifier, unless another profile has it.
    IDENTIFIER_INSERT = "INSERT INTO identifiers (type, value_hash, profile_id, value, strength, verified_at, source) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

    /// An interaction, unless it is known.
    INTERACTION_INSERT = "INSERT INTO interactions (id, profile_id, fixed, lineage, attach_at, order_id, kind, channel, \
        occurred_at, resource_id, session_id, journey_id, trace_id, actor) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING";
    /// A profile's interactions, newest first, after one.
    INTERACTIONS = "SELECT id, kind, channel, occurred_at, resource_id, session_id, journey_id, trace_id, actor \
        FROM interactions WHERE profile_id = $1 AND (occurred_at < $2 OR (occurred_at = $2 AND id < $3)) \
        ORDER BY occurred_at DESC, id DESC LIMIT $4";
    /// Locks a session's row; makes it if it is new.
    LINEAGE_LOCK = "INSERT INTO lineages (session_id, touched) VALUES ($1, $2) \
        ON CONFLICT (session_id) DO UPDATE SET touched = excluded.touched";
    /// Whose a session is from a moment on.
    HOLDER_INSERT = "INSERT INTO holders (session_id, since, profile_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    /// All of them, in the order of time.
    HOLDERS = "SELECT since, profile_id FROM holders WHERE session_id = $1 ORDER BY since LIMIT 1000";
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

/// A profile without its identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) id: ProfileId,
    pub(crate) created_at: Timestamp,
    pub(crate) version: i64,
}

/// A proved identifier that is written.
pub(crate) struct NewIdentifier<'a> {
    pub(crate) kind: i32,
    pub(crate) hash: &'a [u8; 32],
    pub(crate) value: &'a str,
    pub(crate) strength: i32,
    pub(crate) verified_at: Timestamp,
    pub(crate) source: i32,
}

/// A new profile.
pub(crate) async fn insert_profile(conn: &mut Conn, id: ProfileId, now: Timestamp) -> Result<(), Error> {
    conn.execute(PROFILE_INSERT, args![id.0, now]).await.map(drop)
}

/// One profile.
pub(crate) async fn profile(conn: &mut Conn, id: ProfileId) -> Result<Option<Profile>, Error> {
    conn.fetch_optional(PROFILE_BY_ID, args![id.0]).await?.map(|row| profile_of(&row)).transpose()
}

/// The profile that an identifier belongs to.
pub(crate) async fn owner(conn: &mut Conn, kind: i32, hash: &[u8; 32]) -> Result<Option<Profile>, Error> {
    conn.fetch_optional(PROFILE_OF, args![kind, hash]).await?.map(|row| profile_of(&row)).transpose()
}

/// Counts an event, and with it a change or none; gives the event's number.
pub(crate) async fn count_event(conn: &mut Conn, id: ProfileId, changes: i64) -> Result<i64, Error> {
    conn.fetch_one(PROFILE_CHANGED, args![id.0, changes]).await?.get("events")
}

/// A proved identifier; says whether nobody else had it.
pub(crate) async fn insert_identifier(
    conn: &mut Conn,
    profile: ProfileId,
    new: &NewIdentifier<'_>,
) -> Result<bool, Error> {
    let values = args![new.kind, new.hash, profile.0, new.value, new.strength, new.verified_at, new.source];
    Ok(conn.execute(IDENTIFIER_INSERT, values).await? == 1)
}

/// The contract's form of a profile, with what it is known by.
pub(crate) async fn whole(conn: &mut Conn, profile: Profile) -> Result<proto::Profile, Error> {
    let rows = conn.fetch_all(IDENTIFIERS, args![profile.id.0]).await?;
    let identifiers = rows.iter().map(|row| {
        Ok(proto::Identifier {
            r#type: row.get("type")?,
            value: row.get("value")?,
            strength: row.get("strength")?,
            verify_time: Some(row.get::<Timestamp>("verified_at")?.to_proto()),
            source: row.get("source")?,
            ..proto::Identifier::default()
        })
    });
    Ok(proto::Profile {
        profile_id: profile.id.to_string(),
        identifiers: identifiers.collect::<Result<_, Error>>()?,
        create_time: Some(profile.created_at.to_proto()),
        version: profile.version,
        ..proto::Profile::default()
    })
}

/// An interaction with whose it is.
pub(crate) struct Interaction {
    pub(crate) happening: Happening,
    pub(crate) profile: Option<ProfileId>,
    pub(crate) fixed: bool,
    pub(crate) lineage: String,
    pub(crate) attach_at: Timestamp,
}

/// An interaction, unless it is known.
pub(crate) async fn insert_interaction(conn: &mut Conn, new: &Interaction) -> Result<(), Error> {
    let happening = &new.happening;
    let values = args![
        happening.id,
        new.profile.map(|profile| profile.0),
        new.fixed,
        &new.lineage,
        new.attach_at,
        &happening.order,
        happening.kind as i32,
        happening.channel,
        happening.occurred_at,
        &happening.resource,
        &happening.session,
        &happening.journey,
        &happening.trace,
        happening.actor.encode_to_vec(),
    ];
    conn.execute(INTERACTION_INSERT, values).await.map(drop)
}

/// A profile's interactions, newest first, after one.
pub(crate) async fn interactions(
    conn: &mut Conn,
    profile: ProfileId,
    after: (Timestamp, Uuid),
    limit: i64,
) -> Result<Vec<(Timestamp, InteractionId, proto::Interaction)>, Error> {
    let rows = conn.fetch_all(INTERACTIONS, args![profile.0, after.0, after.1, limit]).await?;
    rows.iter()
        .map(|row| {
            let (id, occurred_at) = (InteractionId(row.get("id")?), row.get::<Timestamp>("occurred_at")?);
            let actor = row.get::<Vec<u8>>("actor")?;
            let interaction = proto::Interaction {
                interaction_id: id.to_string(),
                channel: row.get("channel")?,
                kind: row.get("kind")?,
                occur_time: Some(occurred_at.to_proto()),
                resource_id: row.get("resource_id")?,
                session_id: row.get("session_id")?,
                journey_id: row.get("journey_id")?,
                trace_id: row.get("trace_id")?,
                actor: Some(Actor::decode(actor.as_slice()).unwrap_or_default()),
                ..proto::Interaction::default()
            };
            Ok((occurred_at, id, interaction))
        })
        .collect()
}

/// Locks a session's row until the transaction ends.
pub(crate) async fn lock_lineage(conn: &mut Conn, session: &str, now: Timestamp) -> Result<(), Error> {
    conn.execute(LINEAGE_LOCK, args![session, now]).await.map(drop)
}

/// Whose a session is from a moment on.
pub(crate) async fn insert_holder(
    conn: &mut Conn,
    session: &str,
    since: Timestamp,
    profile: ProfileId,
) -> Result<(), Error> {
    conn.execute(HOLDER_INSERT, args![session, since, profile.0]).await.map(drop)
}

/// All of them, in the order of time.
pub(crate) async fn holders(conn: &mut Conn, session: &str) -> Result<Vec<(Timestamp, ProfileId)>, Error> {
    let rows = conn.fetch_all(HOLDERS, args![session]).await?;
    rows.iter().map(|row| Ok((row.get("since")?, ProfileId(row.get("profile_id")?)))).collect()
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

fn profile_of(row: &Row) -> Result<Profile, Error> {
    Ok(Profile { id: ProfileId(row.get("id")?), created_at: row.get("created_at")?, version: row.get("version")? })
}
