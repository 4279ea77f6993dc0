//! Interactions: what channels did with customers.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error},
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
    /// A profile's interactions, newest first, after one.
    INTERACTIONS = "SELECT id, kind, channel, occurred_at, resource_id, session_id, journey_id, trace_id, actor \
        FROM interactions WHERE profile_id = $1 AND (occurred_at < $2 OR (occurred_at = $2 AND id < $3)) \
        ORDER BY occurred_at DESC, id DESC LIMIT $4";
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
