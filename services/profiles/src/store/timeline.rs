//! Interactions: what channels did with customers.

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
    /// An interaction, unless it is known.
    INTERACTION_INSERT = "INSERT INTO interactions (id, profile_id, fixed, lineage, attach_at, order_id, kind, channel, \
        occurred_at, resource_id, session_id, journey_id, trace_id, actor) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING";
    /// An interaction that a channel outside the mesh told of.
    INTERACTION_RECORD = "INSERT INTO interactions (id, profile_id, fixed, lineage, attach_at, order_id, kind, channel, \
        occurred_at, resource_id, session_id, journey_id, trace_id, actor, summary) \
        VALUES ($1, $2, $3, '', $4, '', $5, $6, $4, $7, '', '', $8, $9, $10)";
    /// One interaction.
    INTERACTION_BY_ID = "SELECT id, profile_id, kind, channel, occurred_at, resource_id, session_id, journey_id, trace_id, \
        actor, summary FROM interactions WHERE id = $1";
    /// The interactions of some profiles, of some channels and kinds or all, in a time, newest first, after one.
    INTERACTIONS = {
        postgres: "SELECT id, profile_id, kind, channel, occurred_at, resource_id, session_id, journey_id, trace_id, actor, \
            summary FROM interactions WHERE profile_id = ANY($1) AND (occurred_at < $2 OR (occurred_at = $2 AND id < $3)) \
            AND occurred_at >= $4 AND (cardinality($5::bigint[]) = 0 OR channel = ANY($5)) \
            AND (cardinality($6::bigint[]) = 0 OR kind = ANY($6)) ORDER BY occurred_at DESC, id DESC LIMIT $7",
        sqlite: "SELECT id, profile_id, kind, channel, occurred_at, resource_id, session_id, journey_id, trace_id, actor, \
            summary FROM interactions WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            AND (occurred_at < $2 OR (occurred_at = $2 AND id < $3)) \
            AND occurred_at >= $4 AND (json_array_length($5) = 0 OR channel IN (SELECT value FROM json_each($5))) \
            AND (json_array_length($6) = 0 OR kind IN (SELECT value FROM json_each($6))) \
            ORDER BY occurred_at DESC, id DESC LIMIT $7",
    };
    /// What was recorded under a source's own id.
    RECORDED = "SELECT content_hash, interaction_id FROM recorded WHERE source_hash = $1";
    /// Keeps it for ever, unless it is there.
    RECORDED_INSERT = "INSERT INTO recorded (source_hash, content_hash, interaction_id) VALUES ($1, $2, $3) \
        ON CONFLICT DO NOTHING";
    /// Interactions in which people wrote something.
    INTERACTIONS_SUMMED = {
        postgres: "SELECT id FROM interactions WHERE profile_id = ANY($1) AND summary <> '' LIMIT 100000",
        sqlite: "SELECT id FROM interactions WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) AND summary <> '' \
            LIMIT 100000",
    };
    /// Empties what they wrote.
    INTERACTIONS_BLANK = {
        postgres: "UPDATE interactions SET summary = '' WHERE profile_id = ANY($1) AND summary <> ''",
        sqlite: "UPDATE interactions SET summary = '' WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            AND summary <> ''",
    };
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

/// An interaction that a channel outside the mesh told of.
pub(crate) async fn record_interaction(
    conn: &mut Conn,
    profile: ProfileId,
    (id, occurred_at): (InteractionId, Timestamp),
    told: &proto::Interaction,
) -> Result<(), Error> {
    let actor = told.actor.clone().unwrap_or_default().encode_to_vec();
    let (resource, trace) = (&told.resource_id, &told.trace_id);
    let values =
        args![id.0, profile.0, true, occurred_at, told.kind, told.channel, resource, trace, actor, &told.summary];
    conn.execute(INTERACTION_RECORD, values).await.map(drop)
}

/// One interaction.
pub(crate) async fn interaction(conn: &mut Conn, id: InteractionId) -> Result<Option<proto::Interaction>, Error> {
    let row = conn.fetch_optional(INTERACTION_BY_ID, args![id.0]).await?;
    row.map(|row| interaction_of(&row).map(|(.., interaction)| interaction)).transpose()
}

/// Which interactions are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Of these channels; empty for all.
    pub(crate) channels: Vec<i64>,
    /// Of these kinds; empty for all.
    pub(crate) kinds: Vec<i64>,
    /// At or after.
    pub(crate) from: Timestamp,
}

impl Filter {
    /// All of them.
    pub(crate) fn all() -> Self {
        Self { channels: Vec::new(), kinds: Vec::new(), from: Timestamp::from_micros(i64::MIN) }
    }
}

/// An interaction with what pages go on by.
pub(crate) type Placed = (Timestamp, InteractionId, proto::Interaction);

/// The interactions of some profiles, newest first, after one.
pub(crate) async fn interactions(
    conn: &mut Conn,
    profiles: &[ProfileId],
    filter: &Filter,
    after: (Timestamp, Uuid),
    limit: i64,
) -> Result<Vec<Placed>, Error> {
    let (channels, kinds) = (filter.channels.clone(), filter.kinds.clone());
    let values = args![super::uuids(profiles), after.0, after.1, filter.from, channels, kinds, limit];
    conn.fetch_all(INTERACTIONS, values).await?.iter().map(interaction_of).collect()
}

/// What was recorded under a source's own id: the keyed hash of what was said, and the interaction.
pub(crate) async fn recorded(conn: &mut Conn, source: Uuid) -> Result<Option<([u8; 32], InteractionId)>, Error> {
    let row = conn.fetch_optional(RECORDED, args![source]).await?;
    row.map(|row| Ok((row.get("content_hash")?, InteractionId(row.get("interaction_id")?)))).transpose()
}

/// Keeps a source's own id for ever; says whether it was new.
pub(crate) async fn insert_recorded(
    conn: &mut Conn,
    source: Uuid,
    content: &[u8; 32],
    id: InteractionId,
) -> Result<bool, Error> {
    Ok(conn.execute(RECORDED_INSERT, args![source, content, id.0]).await? == 1)
}

/// Empties what people wrote about what happened with profiles. Gives the ids of these interactions.
pub(crate) async fn erase(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<String>, Error> {
    let rows = conn.fetch_all(INTERACTIONS_SUMMED, args![super::uuids(profiles)]).await?;
    let ids = rows.iter().map(|row| row.get("id").map(|id| InteractionId(id).to_string())).collect();
    conn.execute(INTERACTIONS_BLANK, args![super::uuids(profiles)]).await?;
    ids
}

fn interaction_of(row: &Row) -> Result<Placed, Error> {
    let (id, occurred_at) = (InteractionId(row.get("id")?), row.get::<Timestamp>("occurred_at")?);
    let (actor, profile) = (row.get::<Vec<u8>>("actor")?, row.get::<Option<Uuid>>("profile_id")?);
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
        summary: row.get("summary")?,
        profile_id: profile.map(|profile| ProfileId(profile).to_string()).unwrap_or_default(),
    };
    Ok((occurred_at, id, interaction))
}
