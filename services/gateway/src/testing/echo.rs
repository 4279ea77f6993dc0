//! Services that hear whatever passes the gateway, and answer each call with one empty message.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use omnimesh_proto::sessions::v1::{ApiKey, ApiKeyKind, LoadApiKeyRequest, LoadApiKeyResponse};
use prost::Message as _;
use tonic::{Status, body::Body, service::Routes};

use crate::frames;

const LOAD_API_KEY: &str = "/omnimesh.sessions.v1.ApiKeyService/LoadApiKey";

/// What reached a service.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The RPC.
    pub path: String,
    /// The metadata.
    pub headers: HeaderMap,
    /// The body; `None` if it broke off.
    pub body: Option<Bytes>,
}

/// What was heard last.
#[derive(Clone, Default)]
pub(super) struct Echo(Arc<Mutex<Option<Heard>>>);

impl Echo {
    pub(super) fn take(&self) -> Option<Heard> {
        self.0.lock().unwrap().take()
    }

    pub(super) fn routes(&self) -> Routes {
        let echo = self.clone();
        let hear = move |request: Request| {
            let echo = echo.clone();
            async move { echo.hear(request).await }
        };
        Routes::from(Router::new().fallback(hear))
    }

    async fn hear(&self, request: Request) -> Response<axum::body::Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
        let path = parts.uri.path().to_owned();
        if path == LOAD_API_KEY {
            return answer(&any_key(&body.unwrap_or_default()));
        }
        *self.0.lock().unwrap() = Some(Heard { path, headers: parts.headers, body });
        answer(&[])
    }
}

/// Every key is known: it is the administrator's.
fn any_key(frame: &[u8]) -> Vec<u8> {
    let asked = frame.get(frames::PREFIX..).and_then(|message| LoadApiKeyRequest::decode(message).ok());
    let key_id = asked.unwrap_or_default().key_id;
    let key = ApiKey { key_id, kind: ApiKeyKind::Admin.into(), ..ApiKey::default() };
    LoadApiKeyResponse { api_key: Some(key) }.encode_to_vec()
}

fn answer(message: &[u8]) -> Response<axum::body::Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let message = frames::Frame::encode(0, message);
    let parts = [Ok::<_, Status>(Frame::data(message)), Ok(Frame::trailers(trailers))];
    let body = Body::new(StreamBody::new(futures::stream::iter(parts)));
    let mut response = Response::new(axum::body::Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
