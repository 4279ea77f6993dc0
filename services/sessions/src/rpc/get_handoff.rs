//! GetHandoff: what became of an offer.

use omnimesh_kit::{call::Call, customers, error::Fault, store::Conn, validate::Violations};
use omnimesh_proto::sessions::v1::{GetHandoffRequest, GetHandoffResponse};
use tonic::Response;

use super::App;
use crate::{
    domain::handoff::{Handoff, HandoffId},
    error::Error,
    store,
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: GetHandoffRequest,
) -> Result<Response<GetHandoffResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<HandoffId>("handoff_id", &request.handoff_id);
    let (id,) = v.finish_with((id,))?;
    let handoff = own(&mut app.deps.db.read().await?, &call, id).await?;
    Ok(Response::new(GetHandoffResponse { handoff: Some(handoff.to_proto(app.now())) }))
}

/// The caller's own offer: of this session, or of the customer in another one, since a kiosk's session ends with it.
pub(super) async fn own(conn: &mut Conn, call: &Call, id: HandoffId) -> Result<Handoff, Error> {
    let session = call.require_session()?;
    let not_found = || Fault::not_found("handoff", id.to_string());
    let handoff = store::handoffs::by_id(conn, id).await?.ok_or_else(not_found)?;
    if handoff.source == session.id {
        return Ok(handoff);
    }
    match (handoff.profile, session.profile) {
        (Some(owner), Some(customer)) if customers::are_one(conn, owner, customer).await? => Ok(handoff),
        _ => Err(not_found().into()),
    }
}
