//! What the layers of the stack have in common.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;
use tonic::{Code, Status, body::Body, service::Routes};
use tower::Service as _;

use crate::{auth::RpcRule, error::Fault};

/// What the layers know of the call they handle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rpc {
    /// `None`: there is no such RPC, or nobody may call it.
    pub(super) rule: Option<&'static RpcRule>,
    /// Whether the caller is in this process.
    pub(super) in_process: bool,
    /// When the caller stops waiting.
    pub(super) deadline: Option<Instant>,
}

impl Rpc {
    pub(super) fn streams(&self) -> bool {
        self.rule.is_some_and(|rule| rule.server_streaming)
    }

    /// `omnimesh.carts.v1.CartService/AddLine`; one name for everything unknown, which callers could make up.
    pub(super) fn method(&self) -> &'static str {
        self.rule.map_or("unknown", |rule| rule.path.trim_start_matches('/'))
    }
}

/// One layer of the stack, or the routes it ends in.
pub(super) trait Handler: Clone + Send + Sync + 'static {
    fn handle(&self, rpc: Rpc, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

/// The servers of one service; the tonic router is not `Sync`-callable, so that each call takes a clone (an `Arc`).
#[derive(Clone, Debug)]
pub(super) struct Served(pub(super) Routes);

impl Handler for Served {
    async fn handle(&self, _: Rpc, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.0.clone().call(request).await;
        response
    }
}

/// A fault as a whole answer.
pub(crate) fn refuse(fault: Fault) -> Response<Body> {
    Status::from(fault).into_http()
}

/// The status in headers or trailers.
pub(crate) fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// Calls `on_end` with the call's status: at once, unless the answer is a stream.
pub(super) fn when_done(
    rpc: Rpc,
    response: Response<Body>,
    on_end: impl FnOnce(Code) + Send + Unpin + 'static,
) -> Response<Body> {
    if let Some(code) = code_in(response.headers()) {
        on_end(code);
        return response;
    }
    if !rpc.streams() {
        on_end(Code::Ok);
        return response;
    }
    response.map(|inner| Body::new(Watched { inner, on_end: Some(on_end) }))
}

/// A streaming body whose last word is heard: the status is in its trailers.
struct Watched<F: FnOnce(Code)> {
    inner: Body,
    on_end: Option<F>,
}

impl<F: FnOnce(Code) + Send + Unpin> HttpBody for Watched<F> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let code = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.trailers_ref().map(|t| code_in(t).unwrap_or(Code::Unknown)),
            Poll::Ready(Some(Err(status))) => Some(status.code()),
            Poll::Ready(None) => Some(Code::Unknown),
            Poll::Pending => None,
        };
        if let (Some(code), Some(on_end)) = (code, code.and_then(|_| self.on_end.take())) {
            on_end(code);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A stream that is dropped before its trailers was given up by the caller.
impl<F: FnOnce(Code)> Drop for Watched<F> {
    fn drop(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end(Code::Cancelled);
        }
    }
}
