//! CreateHandoff: a code to type and a token to scan, shown once.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use omnimesh_kit::{
    auth::SessionLevel,
    call::Call,
    idempotency::{Once, Reply},
    once,
    secrets::{crockford_code, random_bytes},
    validate::Violations,
};
use omnimesh_proto::sessions::v1::{CreateHandoffRequest, CreateHandoffResponse, HandoffScope};
use tonic::Response;

use super::{App, Inner};
use crate::{
    domain::handoff::{CODE_LENGTH, Handoff, HandoffId, LIFETIME, TOKEN_BYTES},
    error::Error,
    store,
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: CreateHandoffRequest,
) -> Result<Response<CreateHandoffResponse>, Error> {
    let once = Once::new(&call, "sessions.v1.HandoffService/CreateHandoff", &request.request_id, &request)?;
    let mut v = Violations::new();
    let scope = v.choice::<HandoffScope>("scope", request.scope);
    let (scope,) = v.finish_with((scope,))?;
    let session = app.open_session(call.require_session()?.id).await?;
    // Before the limit: a repeated request must not fail on its own effect.
    if let Some(stored) = once.stored::<CreateHandoffResponse, Error>(&app.deps.db).await? {
        return Ok(Reply { message: stored, replayed: true }.into_response());
    }
    // What was handed over is not handed on: the one who offered it would not see where it went.
    if session.level == SessionLevel::Linked {
        return Err(Error::NotHandedOver("a session that was handed over is not handed on"));
    }
    let key = format!("handoffs:session:{}", session.id);
    app.limits.enforce(&key, app.settings.handoffs_per_session, "hand-overs of this session").await?;

    let now = app.now();
    let handoff = Handoff {
        id: HandoffId::new(now),
        source: session.id,
        profile: session.profile,
        edit: scope == HandoffScope::Edit,
        created_at: now,
        expires_at: now.plus(LIFETIME),
        claim: None,
        revoked_at: None,
    };
    let code = crockford_code(CODE_LENGTH);
    let qr_token = URL_SAFE_NO_PAD.encode(random_bytes::<TOKEN_BYTES>());
    let (code_mac, token_mac) = (app.handoff_code_mac(&code), app.handoff_token_mac(&qr_token));
    let response = CreateHandoffResponse { handoff: Some(handoff.to_proto(now)), code, qr_token };
    let reply = once!(app.deps.db, once, tx => {
        // Should the session end or be identified at this moment, the claim finds that out.
        store::handoffs::insert(&mut tx, &handoff, &code_mac, &token_mac).await?;
        Ok::<_, Error>(response.clone())
    }, stored = |reply| CreateHandoffResponse { handoff: reply.handoff.clone(), ..CreateHandoffResponse::default() })?;
    Ok(reply.into_response())
}

impl Inner {
    /// By what a typed code is found: a keyed hash.
    pub(super) fn handoff_code_mac(&self, code: &str) -> [u8; 32] {
        self.deps.secrets.mac("handoff-code", &[code.as_bytes()])
    }

    /// By what a scanned token is found: a keyed hash.
    pub(super) fn handoff_token_mac(&self, token: &str) -> [u8; 32] {
        self.deps.secrets.mac("handoff-token", &[token.as_bytes()])
    }
}
