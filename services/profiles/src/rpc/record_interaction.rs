//! RecordInteraction: what a channel outside the mesh did with a customer. (source, source_id) is one interaction for ever.

use omnimesh_kit::{
    call::Call, clock::Timestamp, error::Fault, ids::ProfileId, outbox, store::Tx, trace::current_traceparent,
    trace::parse_traceparent, transaction, validate::Violations,
};
use omnimesh_proto::{
    common::v1::{Channel, ErrorReason},
    profiles::v1::{
        Interaction, InteractionKind, InteractionRecorded, RecordInteractionRequest, RecordInteractionResponse,
    },
};
use tonic::{Code, Response};
use uuid::Uuid;

use super::{App, erased};
use crate::{
    error::Error,
    store::{
        profiles,
        timeline::{self, InteractionId},
    },
};

/// How far a clock may be ahead of ours.
const AHEAD_SECONDS: u64 = 300;

/// What was said, checked.
struct Told {
    profile: ProfileId,
    source: Uuid,
    content: [u8; 32],
    occurred_at: Option<Timestamp>,
    interaction: Interaction,
}

pub(super) async fn run(
    app: &App,
    call: Call,
    request: RecordInteractionRequest,
) -> Result<Response<RecordInteractionResponse>, Error> {
    let told = check(app, &call, request)?;
    let interaction = transaction!(app.db, tx => { record(&mut tx, &call, &told).await })?;
    Ok(Response::new(RecordInteractionResponse { interaction: Some(interaction) }))
}

fn check(app: &App, call: &Call, request: RecordInteractionRequest) -> Result<Told, Fault> {
    let mut v = Violations::new();
    let profile = v.parse::<ProfileId>("profile_id", &request.profile_id);
    let source = v.text("source", &request.source, 1..=64);
    let source_id = v.text("source_id", &request.source_id, 1..=200);
    let channel = v.choice::<Channel>("channel", request.channel);
    let kind = v.choice::<InteractionKind>("kind", request.kind);
    let outside = request.kind >= InteractionKind::Call as i32;
    v.check("kind", kind.is_none() || outside, "a kind from CALL on is accepted: the mesh tells the others itself");
    let occurred_at = match &request.occur_time {
        None => Some(None),
        some => v.timestamp("occur_time", some.as_ref()).map(Some),
    };
    let latest = app.clock.now().plus(std::time::Duration::from_secs(AHEAD_SECONDS));
    v.check("occur_time", occurred_at.flatten().is_none_or(|at| at <= latest), "must not lie in the future");
    let summary = summary(&mut v, &request.summary);
    let resource = v.text("resource_id", &request.resource_id, 0..=100);
    let checked = (profile, source, source_id, channel, kind, occurred_at, summary, resource);
    let (profile, source, source_id, channel, kind, occurred_at, summary, resource) = v.finish_with(checked)?;
    let at = occurred_at.map(Timestamp::micros).unwrap_or_default().to_be_bytes();
    let numbers = [channel as i32, kind as i32].map(i32::to_be_bytes).concat();
    let said: [&[u8]; 5] = [profile.0.as_bytes(), &numbers, &at, summary.as_bytes(), resource.as_bytes()];
    let trace = current_traceparent();
    let trace_id = parse_traceparent(&trace).map(|context| context.trace_id().to_string()).unwrap_or_default();
    Ok(Told {
        profile,
        source: app.keyed("interaction-source", &[source.as_bytes(), source_id.as_bytes()]),
        content: app.secrets.mac("interaction-content", &said),
        occurred_at,
        interaction: Interaction {
            channel: channel.into(),
            kind: kind.into(),
            resource_id: resource,
            trace_id,
            actor: Some(call.actor()),
            summary,
            profile_id: profile.to_string(),
            ..Interaction::default()
        },
    })
}

/// Several lines are fine here.
fn summary(v: &mut Violations, text: &str) -> Option<String> {
    let bare: String = text.chars().filter(|c| !matches!(c, '\n' | '\t')).collect();
    v.text("summary", &bare, 0..=2_000).map(|_| omnimesh_kit::text::nfc(text))
}

async fn record(tx: &mut Tx, call: &Call, told: &Told) -> Result<Interaction, Error> {
    let now = tx.now();
    let (id, occurred_at) = (InteractionId::new(now), told.occurred_at.unwrap_or(now));
    if !timeline::insert_recorded(tx, told.source, &told.content, id).await? {
        return known(tx, told).await;
    }
    let known = profiles::profile(tx, told.profile).await?;
    if known.ok_or_else(|| Fault::not_found("profile", told.profile.to_string()))?.erased {
        return Err(erased().into());
    }
    let interaction = Interaction {
        interaction_id: id.to_string(),
        occur_time: Some(occurred_at.to_proto()),
        ..told.interaction.clone()
    };
    timeline::record_interaction(tx, told.profile, (id, occurred_at), &interaction).await?;
    let event = InteractionRecorded {
        profile_id: interaction.profile_id.clone(),
        interaction_id: interaction.interaction_id.clone(),
        channel: interaction.channel,
    };
    outbox::append(tx, call, &interaction.interaction_id, 1, &event).await?;
    Ok(interaction)
}

/// The same again: the same answer. Something else under the same id is refused.
async fn known(tx: &mut Tx, told: &Told) -> Result<Interaction, Error> {
    let found = timeline::recorded(tx, told.source).await?;
    let (content, id) = found.ok_or_else(|| Fault::internal("a recorded interaction is missing"))?;
    if content == told.content
        && let Some(interaction) = timeline::interaction(tx, id).await?
    {
        return Ok(interaction);
    }
    let text = "the source recorded another interaction under this source_id";
    Err(Fault::new(Code::AlreadyExists, ErrorReason::AlreadyExists, text)
        .metadata("interaction_id", id.to_string())
        .into())
}
