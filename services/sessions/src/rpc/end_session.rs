//! EndSession: no token of the session is valid from now on.

use omnimesh_kit::{call::Call, error::Fault, ids::SessionId, transaction, validate::Violations};
use omnimesh_proto::{
    access::v1::Audience,
    sessions::v1::{EndSessionRequest, EndSessionResponse},
};
use tonic::Response;

use super::App;
use crate::{domain::session::Session, endings, error::Error, store};

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
        let session = store::sessions::by_id(&mut tx, id).await?.filter(|session| may_end(&call, session)).ok_or_else(not_found)?;
        let open = session.ended_at.is_none();
        let version = if open { endings::end(&mut tx, &session, &call, now).await? } else { session.version };
        Ok::<_, Error>(version)
    })?;
    // Also for a session that had ended: the caller wants to hear that it is over everywhere.
    endings::settle(&app.deps.db, &app.deps.sessions, id, version).await?;
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
