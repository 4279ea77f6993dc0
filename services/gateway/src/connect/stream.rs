//! Streams in envelopes, in both directions, turned one message at a time.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body as HttpBody, Frame as BodyFrame};
use omnimesh_kit::{auth::RpcRule, error::Fault};
use prost_reflect::MessageDescriptor;
use tonic::{Code, Status, body::Body};

use super::{
    codec,
    error::end_stream,
    headers::{self, Compression},
};
use crate::{
    body::{Verdict, broken},
    frames::{COMPRESSED, END_STREAM, Frame, Splitter, cut_off, malformed},
    protocol::Codec,
};

/// The largest message of an answer.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Answers a call with envelopes: `forward` passes the gRPC request on. What is wrong with the request while it streams
/// goes into the verdict that `forward` heeds.
pub(crate) async fn stream<F>(
    codec: Codec,
    rule: &'static RpcRule,
    message_bytes: usize,
    request: Request<Body>,
    verdict: Verdict,
    forward: impl FnOnce(Request<Body>) -> F,
) -> Response<Body>
where
    F: Future<Output = Response<Body>>,
{
    let (mut parts, body) = request.into_parts();
    let compression = match headers::to_grpc(&mut parts.headers, true) {
        Ok(compression) => compression,
        Err(fault) => return super::refuse_stream(codec, fault),
    };
    let unwrap = Unwrap {
        inner: body,
        splitter: Splitter::new(message_bytes),
        codec,
        kind: rule.input.clone(),
        compression,
        limit: message_bytes,
        verdict,
        done: false,
    };
    let (mut parts, body) = forward(Request::from_parts(parts, Body::new(unwrap))).await.into_parts();
    // A call that failed at once has its status in the headers.
    let status = Status::from_header_map(&parts.headers);
    headers::without_grpc(&mut parts.headers);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(codec)));
    let wrap =
        Wrap { inner: Some(body), splitter: Splitter::new(MAX_ANSWER), codec, kind: rule.output.clone(), status };
    Response::from_parts(parts, Body::new(wrap))
}

pub(super) fn content_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Json => "application/connect+json",
        Codec::Proto => "application/connect+proto",
    }
}

/// Connect envelopes in, gRPC frames out.
struct Unwrap {
    inner: Body,
    splitter: Splitter,
    codec: Codec,
    kind: MessageDescriptor,
    compression: Compression,
    limit: usize,
    verdict: Verdict,
    done: bool,
}

impl Unwrap {
    fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(Frame { flags, data }) = self.splitter.next()? else { return Ok(None) };
        let data = match (flags, self.compression) {
            (0, _) => data,
            (COMPRESSED, Compression::Gzip) => codec::gunzip(&data, self.limit)?,
            (COMPRESSED, Compression::Identity) => {
                return Err(malformed("an envelope is compressed, but connect-content-encoding does not say how"));
            }
            (END_STREAM, _) => return Err(malformed("only an answer ends with an end-of-stream envelope")),
            _ => return Err(malformed(format!("an envelope begins with the flags {flags}; 0 and 1 are known"))),
        };
        Ok(Some(Frame::encode(0, &codec::read(self.codec, &self.kind, data, self.limit)?)))
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<BodyFrame<Bytes>, Status>>> {
        self.done = true;
        Poll::Ready(Some(Err(self.verdict.set(fault).into())))
    }
}

impl HttpBody for Unwrap {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.done {
            return Poll::Ready(None);
        }
        loop {
            match this.next() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(BodyFrame::data(message)))),
                Ok(None) => {}
                Err(fault) => return this.fail(fault),
            }
            match Pin::new(&mut this.inner).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        this.splitter.push(data);
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let fault = broken(&error);
                    return this.fail(fault);
                }
                Poll::Ready(None) if this.splitter.is_empty() => {
                    this.done = true;
                    return Poll::Ready(None);
                }
                Poll::Ready(None) => return this.fail(cut_off()),
            }
        }
    }
}

/// gRPC frames in, Connect envelopes out, and the end-of-stream envelope in place of trailers.
struct Wrap {
    inner: Option<Body>,
    splitter: Splitter,
    codec: Codec,
    kind: MessageDescriptor,
    status: Option<Status>,
}

impl Wrap {
    fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        match self.splitter.next()? {
            None => Ok(None),
            Some(Frame { flags: 0, data }) => Ok(Some(Frame::encode(0, &codec::write(self.codec, &self.kind, data)?))),
            Some(_) => Err(Fault::internal("a message of an answer is compressed, which nobody asked for")),
        }
    }

    fn end(&mut self, status: Status, mut trailers: HeaderMap) -> Poll<Option<Result<BodyFrame<Bytes>, Status>>> {
        self.inner = None;
        headers::without_grpc(&mut trailers);
        let failed = (status.code() != Code::Ok).then_some(&status);
        Poll::Ready(Some(Ok(BodyFrame::data(end_stream(failed, &trailers)))))
    }
}

impl HttpBody for Wrap {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            if this.inner.is_none() {
                return Poll::Ready(None);
            }
            match this.next() {
                Ok(Some(envelope)) => return Poll::Ready(Some(Ok(BodyFrame::data(envelope)))),
                Ok(None) => {}
                Err(fault) => return this.end(fault.into(), HeaderMap::new()),
            }
            let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
            match Pin::new(inner).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.splitter.push(&data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        let status = Status::from_header_map(&trailers).unwrap_or_else(no_status);
                        return this.end(status, trailers);
                    }
                },
                Poll::Ready(Some(Err(status))) => return this.end(status, HeaderMap::new()),
                Poll::Ready(None) => {
                    let status = this.status.take().unwrap_or_else(no_status);
                    return this.end(status, HeaderMap::new());
                }
            }
        }
    }
}

fn no_status() -> Status {
    Fault::internal("a service ended its answer without a status").into()
}
