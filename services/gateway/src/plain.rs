//! What is not an RPC: liveness, readiness, and a word to those who lost their way.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body_util::Full;
use tonic::body::Body;

const SERVED: &str = "there is nothing here.

this is an omnimesh gateway. it serves
  POST /package.Service/Method   gRPC, gRPC-Web and Connect (application/json or application/proto)
  gRPC reflection v1 and v1alpha, and grpc.health.v1
  GET  /healthz                  whether the process lives
  GET  /readyz                   whether it takes calls
";

const POST_ONLY: &str = "RPCs are called by POST, with one of these content types:
  application/grpc (HTTP/2), application/grpc-web, application/grpc-web-text
  application/json, application/proto                  one message each way
  application/connect+json, application/connect+proto  streams
";

/// A plain text answer.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A path that means nothing.
pub(crate) fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, SERVED)
}

/// An RPC's path, but not its method.
pub(crate) fn method_not_allowed() -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, POST_ONLY);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    response
}

/// An RPC's path, but in no protocol that fits it.
pub(crate) fn unsupported_media_type() -> Response<Body> {
    let mut response = text(StatusCode::UNSUPPORTED_MEDIA_TYPE, POST_ONLY);
    response.headers_mut().insert(
        "accept-post",
        HeaderValue::from_static(
            "application/grpc, application/grpc-web, application/grpc-web-text, application/json, application/proto, \
         application/connect+json, application/connect+proto",
        ),
    );
    response
}

/// gRPC without HTTP/2: its trailers would be lost.
pub(crate) fn needs_http2() -> Response<Body> {
    text(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC needs HTTP/2; over HTTP/1.1 gRPC-Web and Connect are served\n")
}

/// Whether the process lives.
pub(crate) fn health() -> Response<Body> {
    text(StatusCode::OK, "ok\n")
}

/// Whether it takes calls.
pub(crate) fn readiness(ready: bool) -> Response<Body> {
    if ready { text(StatusCode::OK, "ready\n") } else { text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}
