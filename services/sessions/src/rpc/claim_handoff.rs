//! ClaimHandoff: the claimer goes on where the source is, in a session of its own. The offer is used up in the transaction that
//! makes that session, by an update that only one of many claimers can win.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use omnimesh_kit::{
    auth::{LinkedScope, SessionLevel},
    call::Call,
    error::Fault,
    idempotency::{Once, Reply},
    ids::SessionId,
    locale::Locale,
    once, outbox,
    ratelimit::{Decision, Limit},
    session::SessionToken,
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::{DeviceClass, ErrorReason},
    sessions::v1::{
        ClaimHandoffRequest, ClaimHandoffResponse, HandoffClaimed, SessionStarted, claim_handoff_request::Proof,
    },
};
use tonic::{Code, Response};

use super::{App, claimer::Claimer};
use crate::{
    domain::{
        handoff::{Claim, Handoff, is_token, typed_code},
        session::{Session, linked_lifetime},
    },
    endings,
    error::Error,
    store,
};

/// How often to begin again when the source changes at the same time.
const TRIES: u32 = 5;
/// Under which failures of all claimers are counted.
const ALL: &[u8] = b"all";

/// What the claimer read from the source's display.
#[derive(Clone)]
enum Shown {
    Code(String),
    Token(String),
}

/// What is to be made of an offer.
struct Plan {
    shown: Shown,
    claimer: Claimer,
    device: DeviceClass,
    locale: Option<String>,
}

pub(super) async fn run(
    app: &App,
    call: Call,
    request: ClaimHandoffRequest,
) -> Result<Response<ClaimHandoffResponse>, Error> {
    let once = Once::new(&call, "sessions.v1.HandoffService/ClaimHandoff", &request.request_id, &request)?;
    let mut v = Violations::new();
    let shown = match &request.proof {
        Some(Proof::Code(text)) => v.required("code", typed_code(text).map(Shown::Code)),
        Some(Proof::QrToken(text)) => v.required("qr_token", is_token(text).then(|| Shown::Token(text.clone()))),
        None => v.required("proof", None),
    };
    let device = v.choice::<DeviceClass>("device_class", request.device_class);
    let locale = v.parse_optional::<Locale>("locale", &request.locale);
    let claimer = Claimer::of(&call, &request, &mut v)?;
    let (shown, device, locale, claimer) = v.finish_with((shown, device, locale, claimer))?;
    let plan = Plan { shown, claimer, device, locale: locale.map(|locale| locale.to_string()) };
    // Before the limits: a repeated request must not fail on its own effect.
    if let Some(message) = once.stored::<ClaimHandoffResponse, Error>(&app.deps.db).await? {
        return Ok(Reply { message, replayed: true }.into_response());
    }
    // The offer is used up and its session made, or neither: a caller who hangs up must not cut this.
    let task = {
        let app = app.clone();
        async move { counted(&app, &call, &once, &plan).await }
    };
    Ok(app.deps.lifecycle.finish(task).await?.into_response())
}

/// Claims, and counts it if it fails. Each try is paid for before it is made, so that many at once are no more than the limit.
async fn counted(app: &App, call: &Call, once: &Once, plan: &Plan) -> Result<Reply<ClaimHandoffResponse>, Error> {
    let key =
        |parts: &[&[u8]]| format!("claims:{}", URL_SAFE_NO_PAD.encode(app.deps.secrets.mac("handoff-claimer", parts)));
    let mut budgets = vec![(key(&plan.claimer.key()), app.settings.claim_failures_per_claimer)];
    // Nobody guesses 128 bits: whoever uses up the budget of all with codes must not keep others from scanning.
    if matches!(plan.shown, Shown::Code(_)) {
        budgets.push((key(&[ALL]), app.settings.claim_failures_in_all));
    }
    for (index, (key, limit)) in budgets.iter().enumerate() {
        if let Decision::Limited { retry_after } = app.limits.check(key, *limit, 1).await.map_err(Fault::from)? {
            give_back(app, budgets.get(..index).unwrap_or_default()).await;
            let message = "too many hand-over codes were wrong: try again later, or scan the code instead of typing it";
            return Err(Fault::rate_limited(message.to_owned(), retry_after).into());
        }
    }
    let mut claimed = Err(Error::SessionChanged);
    for _ in 0..TRIES {
        claimed = claim(app, call, once, plan).await;
        if !matches!(claimed, Err(Error::SessionChanged)) {
            break;
        }
    }
    if claimed.is_ok() {
        give_back(app, &budgets).await;
    }
    claimed
}

async fn give_back(app: &App, budgets: &[(String, Limit)]) {
    for (key, limit) in budgets {
        if let Err(error) = app.limits.give_back(key, *limit, 1).await {
            tracing::warn!(cause = %error, "a claim that succeeded stays counted as one that failed");
        }
    }
}

async fn claim(app: &App, call: &Call, once: &Once, plan: &Plan) -> Result<Reply<ClaimHandoffResponse>, Error> {
    let found = {
        let mut conn = app.deps.db.read().await?;
        match &plan.shown {
            Shown::Code(code) => store::handoffs::by_code(&mut conn, &app.handoff_code_mac(code)).await?,
            Shown::Token(token) => store::handoffs::by_token(&mut conn, &app.handoff_token_mac(token)).await?,
        }
    };
    let Some(handoff) = found else {
        let text = "the code is wrong: what the other device shows now is accepted";
        return Err(Fault::new(Code::InvalidArgument, ErrorReason::CodeWrong, text).into());
    };
    let source = match app.open_session(handoff.source).await {
        Err(Error::SessionOver) => return Err(Error::HandoffOver),
        other => other?,
    };
    // A shared device that was left alone has lost its session, and what it still shows is worth nothing.
    if source.is_shared() && app.deps.sessions.get(source.id).await?.live().is_none() {
        return Err(Error::HandoffOver);
    }

    let now = app.now();
    let token = SessionToken::generate(SessionId::new(now));
    let (mut made, mut ended) = (None, None);
    // A claim that is repeated while the first one runs finds the offer used up, and then the reply.
    let reply = once!(app.deps.db, once, tx => {
        let claim = Claim {
            at: now,
            session: token.session_id(),
            channel: plan.claimer.channel.into(),
            by_associate: plan.claimer.associate.is_some(),
        };
        if !store::handoffs::claim(&mut tx, handoff.id, &claim).await? {
            Err(Error::HandoffOver)?;
        }
        // As it is now, and only if it is still the one's who offered it.
        let source = store::sessions::by_id(&mut tx, handoff.source).await?;
        let source = source.filter(|source| source.is_open(now) && source.profile == handoff.profile);
        let source = source.ok_or(Error::HandoffOver)?;
        let session = plan.session(app, &source, &handoff, &token);
        let handoff = Handoff { claim: Some(claim), ..handoff.clone() };
        store::sessions::insert(&mut tx, &session).await?;
        let call = session.within(call, now);
        let started = SessionStarted { session_id: session.id.to_string(), channel: session.channel };
        outbox::append(&mut tx, &call, &started.session_id, session.events, &started).await?;
        let event = HandoffClaimed {
            handoff_id: handoff.id.to_string(),
            source_session_id: source.id.to_string(),
            session_id: session.id.to_string(),
            profile_id: source.profile.map(|profile| profile.to_string()).unwrap_or_default(),
            channel: session.channel,
            claimed_by_associate: plan.claimer.associate.is_some(),
            source_ended: source.forgets(),
        };
        outbox::append(&mut tx, &call, &event.handoff_id, 1, &event).await?;
        // The customer leaves the kiosk with it.
        ended = if source.forgets() { Some(endings::end(&mut tx, &source, &call, now).await?) } else { None };
        let profile = handoff.profile.filter(|_| session.assisted_by.is_some());
        let response = ClaimHandoffResponse {
            session: Some(session.to_proto()),
            token: token.reveal().to_owned(),
            handoff: Some(handoff.to_proto(now)),
            profile_id: profile.map(|profile| profile.to_string()).unwrap_or_default(),
        };
        made = Some(session);
        Ok::<_, Error>(response)
    }, stored = |reply| ClaimHandoffResponse { token: String::new(), ..reply.clone() })?;
    if let Some(session) = made.filter(|_| !reply.replayed) {
        app.publish(None, &session).await;
        if let Some(version) = ended {
            app.end_live(handoff.source, version).await;
        }
    }
    Ok(reply)
}

impl Plan {
    /// The session of the claimer: at level LINKED, with cart and journey of the source, and never with its profile.
    fn session(&self, app: &App, source: &Session, handoff: &Handoff, token: &SessionToken) -> Session {
        let now = app.now();
        let associate = self.claimer.associate.clone();
        let (whole, idle) = linked_lifetime(self.claimer.channel, self.device, associate.is_some(), &app.settings);
        Session {
            id: token.session_id(),
            token_hash: token.hash(),
            channel: self.claimer.channel.into(),
            device: self.device.into(),
            locale: self.locale.clone().unwrap_or_else(|| source.locale.clone()),
            level: SessionLevel::Linked,
            profile: None,
            cart: source.cart.clone(),
            linked: Some(LinkedScope {
                cart: source.cart.clone(),
                owner: source.profile,
                edit: handoff.edit,
                source: Some(source.id),
            }),
            assisted_by: associate,
            journey: source.journey,
            location: self.claimer.location.clone(),
            started_at: now,
            expires_at: now.plus(whole),
            idle,
            ended_at: None,
            version: 1,
            events: 1,
        }
    }
}
