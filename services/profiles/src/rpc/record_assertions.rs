//! RecordAssertions: what a channel claims about a person, and which profile that is.

use omnimesh_kit::{
    auth::SessionLevel,
    call::Call,
    error::Fault,
    idempotency::{Once, Reply},
    ids::ProfileId,
    store::Conn,
    validate::Violations,
};
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::{Channel, ErrorReason},
    profiles::v1::{AssertionOutcome, RecordAssertionsRequest, RecordAssertionsResponse},
};
use tonic::Response;

use super::{App, claims, erased};
use crate::{
    error::Error,
    identity::{
        file::{Filed, file},
        fold::{bare, whole},
        settle,
    },
    store::profiles,
};

/// Who claims.
pub(super) struct Source {
    pub(super) channel: Channel,
    pub(super) account_id: String,
    pub(super) customer_ref: String,
    /// Whether the caller may say who somebody is.
    pub(super) asserts: bool,
    pub(super) audience: Audience,
    /// The profile that the claims are said to be about.
    pub(super) named: Option<ProfileId>,
}

pub(super) async fn run(
    app: &App,
    call: Call,
    request: RecordAssertionsRequest,
) -> Result<Response<RecordAssertionsResponse>, Error> {
    let once = Once::new(&call, "profiles.v1.ProfileService/RecordAssertions", &request.request_id, &request)?;
    if let Some(message) = once.stored::<RecordAssertionsResponse, Error>(&app.db).await? {
        return Ok(Reply { message, replayed: true }.into_response());
    }
    let source = source(&call, &request)?;
    if let Some(named) = source.named {
        open_profile(&mut app.db.read().await?, named).await?;
    }
    // Asks other services: before the transaction.
    let record = claims::read(app, &call, &source, &request).await?;
    let reply = settle!(app.db, once, tx => {
        let filed = file(app, &mut tx, &call, &record, source.named, false).await?;
        reply(&mut tx, &call, filed).await
    });
    Ok(reply?.into_response())
}

async fn reply(conn: &mut Conn, call: &Call, filed: Filed) -> Result<RecordAssertionsResponse, Error> {
    let outcome = filed.outcome.into();
    let Some((node, root)) = filed.node else {
        return Ok(RecordAssertionsResponse { outcome, ..RecordAssertionsResponse::default() });
    };
    let reads = call.session().is_none() && call.identity().has_scope("profiles.read");
    let own = call.session().is_some_and(|session| session.level == SessionLevel::Identified);
    let profile = if reads || own {
        whole(conn, root, own).await?
    } else {
        // Whether somebody is known, and as whom, is not for everybody who claims it.
        Some(bare(node))
    };
    Ok(RecordAssertionsResponse {
        profile,
        recorded_profile_id: node.to_string(),
        outcome: if filed.joined_new && !reads && !own { AssertionOutcome::Created.into() } else { outcome },
        merged: filed.merged && (reads || own),
        suggestion_ids: if reads { filed.suggestions.iter().map(ToString::to_string).collect() } else { Vec::new() },
    })
}

/// A profile that is there, and was not erased.
async fn open_profile(conn: &mut Conn, id: ProfileId) -> Result<(), Error> {
    let known = profiles::profile(conn, id).await?.ok_or_else(|| Fault::not_found("profile", id.to_string()))?;
    if known.erased { Err(erased().into()) } else { Ok(()) }
}

fn source(call: &Call, request: &RecordAssertionsRequest) -> Result<Source, Fault> {
    let identity = call.identity();
    let audience = identity.audience();
    let mut v = Violations::new();
    let named = v.parse_optional::<ProfileId>("profile_id", &request.profile_id);
    let account_id = v.text("account_id", &request.account_id, 0..=64);
    let customer_ref = v.text("customer_ref", &request.customer_ref, 0..=200);
    let channel = match (identity.channel(), request.channel()) {
        (Channel::Unspecified, _) => v.choice::<Channel>("channel", request.channel),
        (own, said) => {
            v.check("channel", said == Channel::Unspecified || said == own, "the credential is another channel's");
            Some(own)
        }
    };
    if matches!(audience, Audience::Customer | Audience::Partner) {
        // Whoever could name them would take over what the retailer's own systems say of others.
        v.check("profile_id", request.profile_id.is_empty() || call.session().is_some(), "is not a partner's to say");
        v.check(
            "customer_ref",
            call.session().is_none() || request.customer_ref.is_empty(),
            "is not a customer's to say",
        );
        v.check("account_id", call.session().is_none() || request.account_id.is_empty(), "is not a customer's to say");
    }
    let (named, account_id, customer_ref, channel) = v.finish_with((named, account_id, customer_ref, channel))?;
    let foreign = matches!(channel, Channel::Marketplace | Channel::Partner);
    let mut source = Source {
        channel,
        account_id,
        customer_ref,
        asserts: identity.has_scope("identity.assert")
            && matches!(audience, Audience::Service | Audience::Staff | Audience::Admin)
            && !foreign,
        audience,
        named,
    };
    if let Some(session) = call.session() {
        source.named = own_profile(call, named)?;
        if source.named.is_none() {
            source.customer_ref = session.id.to_string();
        }
    } else if audience == Audience::Partner {
        source.account_id = identity.account.clone().unwrap_or_else(|| identity.subject.clone());
    }
    let scope = format!("channel:{}", source.channel.as_str_name().trim_start_matches("CHANNEL_"));
    let mut channels = identity.scopes.iter().filter(|scope| scope.starts_with("channel:")).peekable();
    if channels.peek().is_some() && !channels.any(|held| *held == scope) {
        let message = format!("the key is not for this channel: it lacks {scope}");
        return Err(Fault::denied(ErrorReason::ScopeMissing, message));
    }
    Ok(source)
}

/// Customers speak of themselves; guests are nobody yet.
fn own_profile(call: &Call, named: Option<ProfileId>) -> Result<Option<ProfileId>, Fault> {
    let Some(session) = call.session() else { return Ok(named) };
    if session.level == SessionLevel::Linked {
        let message = "the session was handed over: it speaks for nobody, IdentifySession changes that";
        return Err(Fault::denied(ErrorReason::NotHandedOver, message));
    }
    match (named, session.profile) {
        (None, own) => Ok(own),
        (Some(named), Some(own)) if named == own => Ok(Some(own)),
        (Some(named), _) => Err(Fault::not_found("profile", named.to_string())),
    }
}
