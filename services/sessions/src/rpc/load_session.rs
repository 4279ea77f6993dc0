//! LoadSession: puts a session back into the shared store, which may lose everything at any time.

use omnimesh_kit::{call::Call, error::Fault, ids::SessionId, secrets::same_bytes, validate::Violations};
use omnimesh_proto::sessions::v1::{LoadSessionRequest, LoadSessionResponse};
use tonic::Response;

use super::App;
use crate::error::Error;

pub(super) async fn run(
    app: &App,
    _: Call,
    request: LoadSessionRequest,
) -> Result<Response<LoadSessionResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<SessionId>("session_id", &request.session_id);
    let (id,) = v.finish_with((id,))?;
    if request.token_hash.len() != 32 {
        return Err(Fault::invalid("token_hash", "32 bytes are accepted").into());
    }
    let session = app.open_session(id).await?;
    // A shared device's session is not brought back: its customer may have left long ago.
    if session.is_shared() || !same_bytes(&session.token_hash, &request.token_hash) {
        return Err(Error::SessionOver);
    }
    // Should it change at this very moment, the newer version stands: the store compares versions.
    app.deps.sessions.put(&session.live(app.now())).await?;
    let linked = session.linked.clone();
    let linked_source = linked.as_ref().and_then(|scope| scope.source);
    let linked_profile_id = linked.as_ref().and_then(|scope| scope.owner).map(|owner| owner.to_string());
    Ok(Response::new(LoadSessionResponse {
        session: Some(session.to_proto()),
        linked_source_session_id: linked_source.map(|source| source.to_string()).unwrap_or_default(),
        linked_cart_id: linked.and_then(|scope| scope.cart).unwrap_or_default(),
        linked_profile_id: linked_profile_id.unwrap_or_default(),
    }))
}
