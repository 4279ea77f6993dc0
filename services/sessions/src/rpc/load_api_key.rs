//! LoadApiKey: the gateway asks whose secret it was shown.

use omnimesh_kit::{call::Call, secrets::same_bytes};
use omnimesh_proto::sessions::v1::{LoadApiKeyRequest, LoadApiKeyResponse};
use tonic::Response;

use super::App;
use crate::{error::Error, store};

pub(super) async fn run(app: &App, _: Call, request: LoadApiKeyRequest) -> Result<Response<LoadApiKeyResponse>, Error> {
    let mut conn = app.deps.db.read().await?;
    let key = store::keys::by_id(&mut conn, &request.key_id).await?;
    let valid = key.filter(|key| same_bytes(&key.secret_hash, &request.secret_hash) && key.is_valid(app.now()));
    Ok(Response::new(LoadApiKeyResponse { api_key: valid.map(|key| key.to_proto()) }))
}
