//! CreateApiKey: a key, its secret shown once.

use omnimesh_kit::{call::Call, error::Fault, idempotency::Once, once};
use omnimesh_proto::{
    common::v1::Channel,
    sessions::v1::{CreateApiKeyRequest, CreateApiKeyResponse},
};
use tonic::Response;

use super::App;
use crate::{
    domain::api_key::{ApiKey, KeySpec, ttl},
    error::Error,
    store,
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: CreateApiKeyRequest,
) -> Result<Response<CreateApiKeyResponse>, Error> {
    let once = Once::new(&call, "sessions.v1.ApiKeyService/CreateApiKey", &request.request_id, &request)?;
    let kind = request.kind();
    let channels = request.channels.iter().map(|channel| Channel::try_from(*channel)).collect::<Result<_, _>>();
    let channels = channels.map_err(|_| Fault::invalid("channels", "must be known values other than unspecified"))?;
    let spec = KeySpec {
        kind,
        display_name: request.display_name,
        scopes: request.scopes,
        origins: request.origins,
        channels,
        account: request.account_id,
        ttl: ttl(request.ttl)?,
    };
    let (key, secret) = ApiKey::generate(spec.check()?, app.now());
    let response = CreateApiKeyResponse { api_key: Some(key.to_proto()), secret };
    let reply = once!(app.deps.db, once, tx => {
        store::keys::insert(&mut tx, &key).await?;
        Ok::<_, Error>(response.clone())
    }, stored = |reply| CreateApiKeyResponse { secret: String::new(), ..reply.clone() })?;
    Ok(reply.into_response())
}
