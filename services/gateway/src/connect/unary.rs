//! One message there, one message back.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use omnimesh_kit::{auth::RpcRule, error::Fault};
use tonic::{Code, Status, body::Body};

use super::{
    codec,
    error::{unary_error, whole},
    headers::{self, Compression},
};
use crate::{
    body::{broken, too_slow},
    frames::{Frame, Splitter, too_large},
    protocol::Codec,
};

/// The largest answer that is gathered in memory.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// How much a request may hold, and how long it may take to arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) message_bytes: usize,
    pub(crate) patience: Duration,
}

/// Answers a unary call: `forward` passes the gRPC request on.
pub(crate) async fn unary<F>(
    codec: Codec,
    rule: &'static RpcRule,
    bounds: Bounds,
    request: Request<Body>,
    forward: impl FnOnce(Request<Body>) -> F,
) -> Response<Body>
where
    F: Future<Output = Response<Body>>,
{
    let request = match to_grpc(codec, rule, bounds, request).await {
        Ok(request) => request,
        Err(fault) => return super::refuse_unary(fault),
    };
    from_grpc(codec, rule, forward(request).await).await
}

async fn to_grpc(
    codec: Codec,
    rule: &'static RpcRule,
    bounds: Bounds,
    request: Request<Body>,
) -> Result<Request<Body>, Fault> {
    let (mut parts, body) = request.into_parts();
    let compression = headers::to_grpc(&mut parts.headers, false)?;
    let data = collect(body, bounds).await?;
    let data = match compression {
        Compression::Identity => data,
        Compression::Gzip => codec::gunzip(&data, bounds.message_bytes)?,
    };
    let message = codec::read(codec, &rule.input, data, bounds.message_bytes)?;
    Ok(Request::from_parts(parts, Body::new(Full::new(Frame::encode(0, &message)))))
}

async fn collect(body: Body, bounds: Bounds) -> Result<Bytes, Fault> {
    let collected = Limited::new(body, bounds.message_bytes).collect();
    match tokio::time::timeout(bounds.patience, collected).await {
        Err(_) => Err(too_slow()),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bounds.message_bytes)),
        Ok(Err(error)) => Err(broken(&*error)),
    }
}

async fn from_grpc(codec: Codec, rule: &'static RpcRule, response: Response<Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let (data, trailers) = match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(body) => {
            let trailers = body.trailers().cloned().unwrap_or_default();
            (body.to_bytes(), trailers)
        }
        Err(error) if error.is::<LengthLimitError>() => return super::refuse_unary(too_large(MAX_ANSWER)),
        Err(error) => {
            tracing::warn!(error = %error, "an answer broke off");
            return super::refuse_unary(Fault::unavailable("the service broke off its answer"));
        }
    };
    let status = Status::from_header_map(&trailers).or_else(|| Status::from_header_map(&parts.headers));
    let answer = match status {
        Some(status) if status.code() == Code::Ok => message(codec, rule, &data)
            .map(|body| (StatusCode::OK, content_type(codec), body))
            .unwrap_or_else(|fault| failed(&fault.into())),
        Some(status) => failed(&status),
        // Silence is not success.
        None => failed(&Fault::internal("a service answered without a status").into()),
    };
    finish(answer, parts.headers, trailers)
}

/// The one message of a successful answer.
fn message(codec: Codec, rule: &'static RpcRule, data: &[u8]) -> Result<Bytes, Fault> {
    let mut splitter = Splitter::new(MAX_ANSWER);
    splitter.push(data);
    match (splitter.next()?, splitter.is_empty()) {
        (Some(Frame { flags: 0, data }), true) => codec::write(codec, &rule.output, data),
        _ => Err(Fault::internal("a unary answer is not one plain message")),
    }
}

type Answer = (StatusCode, &'static str, Bytes);

fn failed(status: &Status) -> Answer {
    let (code, body) = unary_error(status);
    (code, "application/json", body)
}

fn finish((status, content_type, body): Answer, mut headers: HeaderMap, mut trailers: HeaderMap) -> Response<Body> {
    let mut response = whole(status, content_type, body);
    headers::without_grpc(&mut headers);
    headers::without_grpc(&mut trailers);
    headers::as_trailer_headers(trailers, &mut headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    *response.headers_mut() = headers;
    response
}

fn content_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Json => "application/json",
        Codec::Proto => "application/proto",
    }
}
