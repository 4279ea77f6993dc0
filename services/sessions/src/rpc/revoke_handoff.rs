//! RevokeHandoff: nobody can claim it any more, and who did is out.

use omnimesh_kit::{auth::SessionLevel, call::Call, idempotency::Once, once, validate::Violations};
use omnimesh_proto::sessions::v1::{RevokeHandoffRequest, RevokeHandoffResponse};
use tonic::Response;

use super::{App, get_handoff::own};
use crate::{
    domain::handoff::{Handoff, HandoffId},
    endings,
    error::Error,
    store,
};

/// How often to try when the session that claimed it changes at the same time.
const TRIES: u32 = 5;

pub(super) async fn run(
    app: &App,
    call: Call,
    request: RevokeHandoffRequest,
) -> Result<Response<RevokeHandoffResponse>, Error> {
    let once = Once::new(&call, "sessions.v1.HandoffService/RevokeHandoff", &request.request_id, &request)?;
    let mut v = Violations::new();
    let id = v.parse::<HandoffId>("handoff_id", &request.handoff_id);
    let (id,) = v.finish_with((id,))?;
    for left in (0..TRIES).rev() {
        match revoke(app, &call, &once, id).await {
            Err(Error::SessionChanged) if left > 0 => {}
            done => return done,
        }
    }
    Err(Error::SessionChanged)
}

async fn revoke(app: &App, call: &Call, once: &Once, id: HandoffId) -> Result<Response<RevokeHandoffResponse>, Error> {
    let now = app.now();
    let mut ended = None;
    let reply = once!(app.deps.db, once, tx => {
        let before = own(&mut tx, call, id).await?;
        let mut handoff = before.clone();
        if now < before.expires_at || before.claim.is_some() {
            store::handoffs::revoke(&mut tx, id, now).await?;
            // Read again: it may have been claimed just before this took it.
            let current = store::handoffs::by_id(&mut tx, id).await?;
            handoff = current.unwrap_or(Handoff { revoked_at: Some(now), ..before });
        }
        let claimed = match (&handoff.claim, handoff.revoked_at) {
            (Some(claim), Some(_)) => store::sessions::by_id(&mut tx, claim.session).await?,
            _ => None,
        };
        // A session that was identified since stands on its own proof, and holds nothing of what was handed over.
        ended = match claimed.filter(|session| session.is_open(now) && session.level == SessionLevel::Linked) {
            Some(session) => Some((session.id, endings::end(&mut tx, &session, call, now).await?)),
            None => None,
        };
        Ok::<_, Error>(RevokeHandoffResponse { handoff: Some(handoff.to_proto(now)) })
    })?;
    if let Some((id, version)) = ended.filter(|_| !reply.replayed) {
        app.end_live(id, version).await;
    }
    Ok(reply.into_response())
}
