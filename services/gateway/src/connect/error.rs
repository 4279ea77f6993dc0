//! gRPC's statuses as Connect's errors (<https://connectrpc.com/docs/protocol#error-codes>).

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use omnimesh_kit::error::Fault;
use omnimesh_proto::common::v1::ErrorReason;
use prost::Message as _;
use prost_types::Any;
use serde_json::{Map, Value, json};
use tonic::{Code, Status, body::Body};
use tonic_types::pb;
use tracing::Span;

use super::headers;
use crate::{
    frames::{END_STREAM, Frame},
    protocol::Codec,
    trace,
};

/// The name of a code in Connect's JSON.
fn code_name(code: Code) -> &'static str {
    match code {
        // Never an error by itself; a service that says so with one is broken.
        Code::Ok | Code::Unknown => "unknown",
        Code::Cancelled => "canceled",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// The HTTP status of a code.
pub(crate) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // 499 is nginx's; http has no name for it.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A status as Connect's error object.
fn error_json(status: &Status) -> Value {
    let mut error = Map::from_iter([("code".to_owned(), code_name(status.code()).into())]);
    if !status.message().is_empty() {
        error.insert("message".to_owned(), status.message().into());
    }
    let details = pb::Status::decode(status.details()).map(|decoded| decoded.details).unwrap_or_default();
    if !details.is_empty() {
        error.insert("details".to_owned(), details.iter().map(detail_json).collect());
    }
    error.into()
}

fn detail_json(detail: &Any) -> Value {
    let kind = detail.type_url.rsplit('/').next().unwrap_or_default();
    let mut json = json!({ "type": kind, "value": STANDARD_NO_PAD.encode(&detail.value) });
    if let (Some(debug), Some(json)) = (debug_json(kind, &detail.value), json.as_object_mut()) {
        json.insert("debug".to_owned(), debug);
    }
    json
}

/// The detail for people who read the error in a terminal; programs decode `value`.
fn debug_json(kind: &str, value: &[u8]) -> Option<Value> {
    match kind {
        "google.rpc.ErrorInfo" => {
            let info = pb::ErrorInfo::decode(value).ok()?;
            let metadata: Map<_, _> = info.metadata.into_iter().map(|(key, value)| (key, value.into())).collect();
            Some(json!({ "reason": info.reason, "domain": info.domain, "metadata": metadata }))
        }
        "google.rpc.BadRequest" => {
            let violations = pb::BadRequest::decode(value).ok()?.field_violations;
            let violations: Vec<_> = violations
                .into_iter()
                .map(|one| json!({ "field": one.field, "description": one.description }))
                .collect();
            Some(json!({ "fieldViolations": violations }))
        }
        "google.rpc.RetryInfo" => {
            let delay = pb::RetryInfo::decode(value).ok()?.retry_delay?;
            let millis = delay.seconds.saturating_mul(1_000).saturating_add(i64::from(delay.nanos) / 1_000_000);
            Some(json!({ "retryDelay": format!("{}.{:03}s", millis / 1_000, millis % 1_000) }))
        }
        "google.rpc.ResourceInfo" => {
            let info = pb::ResourceInfo::decode(value).ok()?;
            Some(json!({ "resourceType": info.resource_type, "resourceName": info.resource_name }))
        }
        _ => None,
    }
}

/// The body of a failed unary call.
pub(super) fn unary_error(status: &Status) -> (StatusCode, Bytes) {
    (http_status(status.code()), error_json(status).to_string().into())
}

/// The last envelope of a stream: the error, if there is one, and the trailers.
pub(super) fn end_stream(status: Option<&Status>, trailers: &http::HeaderMap) -> Bytes {
    let mut end = Map::new();
    if let Some(status) = status {
        end.insert("error".to_owned(), error_json(status));
    }
    let metadata = headers::as_json(trailers);
    if !metadata.is_empty() {
        end.insert("metadata".to_owned(), metadata.into());
    }
    Frame::encode(END_STREAM, Value::from(end).to_string().as_bytes())
}

/// A fault as the whole answer to a unary call.
pub(crate) fn refuse_unary(fault: Fault) -> Response<Body> {
    trace::ended(&Span::current(), fault.code());
    let (status, body) = unary_error(&Status::from(fault));
    whole(status, "application/json", body)
}

/// A fault as the whole answer to a stream: HTTP says 200 and the envelope says what failed.
pub(crate) fn refuse_stream(codec: Codec, fault: Fault) -> Response<Body> {
    trace::ended(&Span::current(), fault.code());
    let body = end_stream(Some(&Status::from(fault)), &http::HeaderMap::new());
    whole(StatusCode::OK, super::stream::content_type(codec), body)
}

/// There is no such RPC: 404, as the protocol has clients take for `unimplemented`, and says so in the body as well.
pub(crate) fn unknown_method() -> Response<Body> {
    let mut response = refuse_unary(Fault::new(
        Code::Unimplemented,
        ErrorReason::UnknownMethod,
        "no such method: the path is /package.Service/Method, reflection lists them",
    ));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

pub(super) fn whole(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TABLE: [(Code, &str, u16); 16] = [
        (Code::Cancelled, "canceled", 499),
        (Code::Unknown, "unknown", 500),
        (Code::InvalidArgument, "invalid_argument", 400),
        (Code::DeadlineExceeded, "deadline_exceeded", 504),
        (Code::NotFound, "not_found", 404),
        (Code::AlreadyExists, "already_exists", 409),
        (Code::PermissionDenied, "permission_denied", 403),
        (Code::ResourceExhausted, "resource_exhausted", 429),
        (Code::FailedPrecondition, "failed_precondition", 400),
        (Code::Aborted, "aborted", 409),
        (Code::OutOfRange, "out_of_range", 400),
        (Code::Unimplemented, "unimplemented", 501),
        (Code::Internal, "internal", 500),
        (Code::Unavailable, "unavailable", 503),
        (Code::DataLoss, "data_loss", 500),
        (Code::Unauthenticated, "unauthenticated", 401),
    ];

    #[test]
    fn every_code_has_the_protocols_name_and_status() {
        for (code, name, status) in TABLE {
            assert_eq!((code_name(code), http_status(code).as_u16()), (name, status), "{code:?}");
        }
    }

    #[test]
    fn details_travel() {
        let fault = Fault::rate_limited("slow down", Duration::from_millis(1_500)).metadata("limit", "5");
        let json = error_json(&fault.into());
        assert_eq!(json["code"], "resource_exhausted");
        assert_eq!(json["message"], "slow down");
        let details = json["details"].as_array().unwrap();
        let of = |kind: &str| details.iter().find(|detail| detail["type"] == kind).unwrap();
        let info = of("google.rpc.ErrorInfo");
        assert_eq!(info["debug"], json!({"reason": "RATE_LIMITED", "domain": "omnimesh", "metadata": {"limit": "5"}}));
        let value = STANDARD_NO_PAD.decode(info["value"].as_str().unwrap()).unwrap();
        assert_eq!(pb::ErrorInfo::decode(value.as_slice()).unwrap().reason, "RATE_LIMITED");
        assert_eq!(of("google.rpc.RetryInfo")["debug"]["retryDelay"], "1.500s");
    }
}
