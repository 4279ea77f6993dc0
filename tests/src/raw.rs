//! Calls that no generated client would make: any bytes to any path, over gRPC and over Connect.

use bytes::Bytes;
use http::uri::PathAndQuery;
use omnimesh::bytes_codec::BytesCodec;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// The stable reason; empty if the answer has none.
    pub reason: String,
    /// The fields that were wrong.
    pub fields: Vec<String>,
    /// The metadata of the reason, sorted.
    pub metadata: Vec<(String, String)>,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let info = status.get_details_error_info();
        let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
        let mut metadata: Vec<_> = info.iter().flat_map(|info| info.metadata.clone()).collect();
        metadata.sort();
        Self {
            code: status.code(),
            reason: info.map(|info| info.reason).unwrap_or_default(),
            fields: violations.into_iter().map(|violation| violation.field).collect(),
            metadata,
        }
    }
}

/// A gRPC connection to any address.
#[derive(Clone, Debug)]
pub struct RawGrpc(Channel);

impl RawGrpc {
    /// Connects when it is first used.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self(Endpoint::from_shared(url.to_owned()).unwrap().connect_lazy())
    }

    /// Sends one message and gives the first one of the answer. `None`: the stream is open, and silent.
    ///
    /// # Errors
    /// How the mesh refused.
    pub async fn call(&self, path: &str, headers: &[(&str, &str)], message: Bytes) -> Result<Option<Bytes>, Refusal> {
        // A stream that has nothing to say stays open: it is left alone after a while.
        const SILENCE: std::time::Duration = std::time::Duration::from_secs(2);
        let mut metadata = MetadataMap::new().into_headers();
        for (name, value) in headers {
            metadata.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let request = Request::from_parts(
            MetadataMap::from_headers(metadata),
            http::Extensions::new(),
            tokio_stream::once(message),
        );
        let path: PathAndQuery = path.parse().unwrap();
        let mut grpc = Grpc::new(self.0.clone());
        let called = async {
            grpc.ready().await.expect("the connection can be made");
            let mut answer = grpc.streaming(request, path, BytesCodec).await?.into_inner();
            answer.message().await
        };
        match tokio::time::timeout(SILENCE, called).await {
            Ok(answer) => answer.map_err(Refusal::from),
            Err(_) => Ok(None),
        }
    }
}

/// Calls one RPC by Connect: one JSON message each way.
///
/// # Errors
/// How the mesh refused.
pub async fn connect_json(url: &str, path: &str, credential: Option<&str>, body: String) -> Result<Value, Refusal> {
    let mut request =
        reqwest::Client::new().post(format!("{url}{path}")).header("content-type", "application/json").body(body);
    if let Some(credential) = credential {
        request = request.bearer_auth(credential);
    }
    let answer = request.send().await.unwrap();
    let success = answer.status().is_success();
    let text = answer.text().await.unwrap();
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: the answer is not JSON: {text}"));
    if success { Ok(json) } else { Err(refusal_of(&json)) }
}

/// The refusal that Connect's error JSON tells.
fn refusal_of(json: &Value) -> Refusal {
    let code = match json["code"].as_str().unwrap_or_default() {
        "invalid_argument" => Code::InvalidArgument,
        "unauthenticated" => Code::Unauthenticated,
        "permission_denied" => Code::PermissionDenied,
        "not_found" => Code::NotFound,
        "already_exists" => Code::AlreadyExists,
        "failed_precondition" => Code::FailedPrecondition,
        "aborted" => Code::Aborted,
        "resource_exhausted" => Code::ResourceExhausted,
        "unimplemented" => Code::Unimplemented,
        "unavailable" => Code::Unavailable,
        "internal" => Code::Internal,
        _ => Code::Unknown,
    };
    let detail = |kind: &str| json["details"].as_array().into_iter().flatten().find(|detail| detail["type"] == kind);
    let info = detail("google.rpc.ErrorInfo").map(|detail| &detail["debug"]);
    let metadata = info.and_then(|info| info["metadata"].as_object());
    let violations =
        detail("google.rpc.BadRequest").and_then(|detail| detail.pointer("/debug/fieldViolations")?.as_array());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut metadata: Vec<_> = metadata.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect();
    metadata.sort();
    Refusal {
        code,
        reason: info.map(|info| text(&info["reason"])).unwrap_or_default(),
        fields: violations.into_iter().flatten().map(|violation| text(&violation["field"])).collect(),
        metadata,
    }
}

/// A message of the contract out of its JSON form, as bytes.
#[must_use]
pub fn encode(message: MessageDescriptor, json: &Value) -> Bytes {
    let name = message.full_name().to_owned();
    let decoded = DynamicMessage::deserialize(message, json);
    decoded.unwrap_or_else(|error| panic!("{name}: {error}: {json}")).encode_to_vec().into()
}
