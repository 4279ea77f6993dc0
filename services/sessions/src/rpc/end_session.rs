//! EndSession: no token of the session is valid from now on.

use omnimesh_kit::{call::Call, error::Fault, ids::SessionId, outbox, transaction, validate::Violations};
use omnimesh_proto::{
    access::v1::Audience,
    sessions::v1::{EndSessionRequest, EndSessionResponse, SessionEnded},
};
use tonic::Response;

use super::{App, within};
use crate::{domain::session::Session, error::Error, store};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: EndSessionRequest,
) -> Result<Response<EndSessionResponse>, Error> {
    let mut v = Violations::new();
    let named = v.parse_optional::<SessionId>("session_id", &request.session_id);
    let (named,) = v.finish_with((named,))?;
    let own = call.session().map(|session| session.id);
    let Some(id) = named.or(own) else { return Err(Fault::invalid("session_id", "must be given by staff").into()) };
    let not_found = || Fault::not_found("session", id.to_string());

    let now = app.now();
    let version = transaction!(app.deps.db, tx => {
        let session = store::session(&mut tx, id).await?.filter(|session| may_end(&call, session)).ok_or_else(not_found)?;
        let mut version = session.version;
        if session.ended_at.is_none() {
            version += 1;
            let ended = Session { ended_at: Some(now), version, events: session.events + 1, ..session };
            if !store::update_session(&mut tx, &ended).await? {
                Err(Error::SessionChanged)?;
            }
            let event = SessionEnded { session_id: id.to_string() };
            outbox::append(&mut tx, &within(&ended, &call, now), &event.session_id, ended.events, &event).await?;
        }
        Ok::<_, Error>(version)
    })?;
    // Also for a session that had ended: the first call may have failed between there and here.
    app.deps.sessions.end(id, version).await?;
    Ok(Response::new(EndSessionResponse {}))
}

/// Customers their own; staff those of shared devices in their stores.
fn may_end(call: &Call, session: &Session) -> bool {
    match call.identity().audience() {
        Audience::Customer => call.session().is_some_and(|own| own.id == session.id),
        Audience::Staff => session.is_shared() && call.identity().works_at(&session.location),
        _ => false,
    }
}
