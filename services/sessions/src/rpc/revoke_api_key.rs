//! RevokeApiKey: the key is good for nothing from now on; gateways that know it forget it within seconds.

use omnimesh_kit::{call::Call, error::Fault, idempotency::Once, once};
use omnimesh_proto::sessions::v1::{RevokeApiKeyRequest, RevokeApiKeyResponse};
use tonic::Response;

use super::App;
use crate::{error::Error, store};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: RevokeApiKeyRequest,
) -> Result<Response<RevokeApiKeyResponse>, Error> {
    let once = Once::new(&call, "sessions.v1.ApiKeyService/RevokeApiKey", &request.request_id, &request)?;
    if request.key_id.is_empty() || request.key_id.len() > 64 {
        return Err(Fault::invalid("key_id", "the id within omk_<id>_<secret> is accepted").into());
    }
    let reply = once!(app.deps.db, once, tx => {
        let now = tx.now();
        store::keys::revoke(&mut tx, &request.key_id, now).await?;
        let key = store::keys::by_id(&mut tx, &request.key_id).await?;
        let key = key.ok_or_else(|| Fault::not_found("API key", request.key_id.clone()))?;
        Ok::<_, Error>(RevokeApiKeyResponse { api_key: Some(key.to_proto()) })
    })?;
    Ok(reply.into_response())
}
