//! An answer on its way back: it ends with a gRPC status whatever happens, and a stream ends when its caller is no longer
//! welcome.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use omnimesh_kit::error::Fault;
use tokio::time::{Interval, MissedTickBehavior};
use tonic::{Code, Status, body::Body};
use tracing::Span;

use super::Verdict;
use crate::{protocol::media_type, trace};

/// Asks now and then whether the caller is still welcome.
pub(crate) struct Recheck {
    interval: Interval,
    ask: Box<dyn Fn() -> BoxFuture<'static, Result<(), Fault>> + Send>,
    asking: Option<BoxFuture<'static, Result<(), Fault>>>,
    stop: BoxFuture<'static, ()>,
}

impl Recheck {
    /// `ask` answers with the fault that ends the stream; `stop` ends when the process does.
    pub(crate) fn new(
        every: Duration,
        ask: impl Fn() -> BoxFuture<'static, Result<(), Fault>> + Send + 'static,
        stop: BoxFuture<'static, ()>,
    ) -> Self {
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, ask: Box::new(ask), asking: None, stop }
    }

    /// The reason to end, once there is one.
    pub(crate) async fn ended(&mut self) -> Fault {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Ready with the reason to end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Fault> {
        if self.stop.as_mut().poll(context).is_ready() {
            return Poll::Ready(Fault::unavailable("this process is stopping: open the stream again"));
        }
        loop {
            if let Some(asking) = &mut self.asking {
                match asking.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(answer) => {
                        self.asking = None;
                        if let Err(fault) = answer {
                            return Poll::Ready(fault);
                        }
                    }
                }
            }
            match self.interval.poll_tick(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(_) => self.asking = Some((self.ask)()),
            }
        }
    }
}

/// The body of [`settle`].
pub(crate) struct Settled {
    inner: Option<Body>,
    has_status: bool,
    verdict: Verdict,
    recheck: Option<Recheck>,
    // The call's span lasts as long as its answer.
    span: Span,
}

/// The answer, sure to be gRPC and to end with a status.
pub(crate) fn settle(response: Response<Body>, verdict: Verdict, recheck: Option<Recheck>) -> Response<Body> {
    if let Some(fault) = verdict.get() {
        return refuse(fault);
    }
    let is_grpc = media_type(response.headers()).is_some_and(|kind| kind.starts_with("application/grpc"));
    if response.status() != StatusCode::OK || !is_grpc {
        tracing::warn!(status = response.status().as_u16(), "a service answered something that is not gRPC");
        return refuse(Fault::unavailable("the service did not answer in gRPC"));
    }
    let span = Span::current();
    let code = code_in(response.headers());
    if let Some(code) = code {
        trace::ended(&span, code);
    }
    let has_status = code.is_some();
    response.map(|inner| Body::new(Settled { inner: Some(inner), has_status, verdict, recheck, span }))
}

/// A fault as a whole answer.
pub(crate) fn refuse(fault: Fault) -> Response<Body> {
    trace::ended(&Span::current(), fault.code());
    Status::from(fault).into_http()
}

/// The status in headers or trailers.
pub(crate) fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

impl Settled {
    fn end(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.inner = None;
        let status = Status::from(self.verdict.get().unwrap_or(fault));
        trace::ended(&self.span, status.code());
        let mut trailers = HeaderMap::new();
        if status.add_header(&mut trailers).is_err() {
            trailers.insert(Status::GRPC_STATUS, http::HeaderValue::from(i32::from(status.code())));
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl HttpBody for Settled {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // Looked at first: a stream that always has something to send must end as well.
        if self.inner.is_some()
            && let Some(recheck) = &mut self.recheck
            && let Poll::Ready(fault) = recheck.poll(context)
        {
            return self.end(fault);
        }
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => match frame.trailers_ref().map(code_in) {
                None => Poll::Ready(Some(Ok(frame))),
                Some(Some(code)) if self.verdict.get().is_none() => {
                    self.inner = None;
                    trace::ended(&self.span, code);
                    Poll::Ready(Some(Ok(frame)))
                }
                Some(_) => self.end(no_status()),
            },
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(error = %error, "an answer broke off");
                self.end(Fault::unavailable("the service broke off its answer"))
            }
            Poll::Ready(None) if self.has_status => {
                self.inner = None;
                Poll::Ready(None)
            }
            Poll::Ready(None) => self.end(no_status()),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|inner| self.has_status && inner.is_end_stream())
    }
}

/// An answer without a status is a failure, not a success (gRPC over HTTP/2).
fn no_status() -> Fault {
    Fault::new(
        Code::Internal,
        omnimesh_proto::common::v1::ErrorReason::Internal,
        "the service ended its answer without a status",
    )
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use http_body_util::{BodyExt as _, Empty, StreamBody};
    use omnimesh_proto::common::v1::ErrorReason;

    use super::*;

    fn answer(body: Body) -> Response<Body> {
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    }

    async fn trailers(response: Response<Body>) -> HeaderMap {
        response.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default()
    }

    #[tokio::test]
    async fn a_missing_status_is_an_error() {
        let empty = Body::new(Empty::new().map_err(|never: std::convert::Infallible| match never {}));
        let status = Status::from_header_map(&trailers(settle(answer(empty), Verdict::default(), None)).await).unwrap();
        assert_eq!(status.code(), Code::Internal);
    }

    #[tokio::test]
    async fn a_broken_answer_ends_with_a_status_and_without_driver_text() {
        let frames = futures::stream::iter([
            Ok(Frame::data(Bytes::from_static(b"x"))),
            Err(Status::unknown("h2 protocol error: secret")),
        ]);
        let body = Body::new(StreamBody::new(frames));
        let status = Status::from_header_map(&trailers(settle(answer(body), Verdict::default(), None)).await).unwrap();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!status.message().contains("secret"));
    }

    #[tokio::test]
    async fn something_else_than_grpc_is_not_passed_on() {
        let html = Response::builder().header("content-type", "text/html").body(Body::empty()).unwrap();
        let settled = settle(html, Verdict::default(), None);
        assert_eq!(Status::from_header_map(settled.headers()).unwrap().code(), Code::Unavailable);
    }

    #[tokio::test]
    async fn the_verdict_wins() {
        let verdict = Verdict::default();
        let settled = settle(answer(Body::empty()), verdict.clone(), None);
        verdict.set(Fault::new(Code::ResourceExhausted, ErrorReason::MessageTooLarge, "too large"));
        let status = Status::from_header_map(&trailers(settled).await).unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn a_stream_ends_when_its_caller_is_no_longer_welcome() {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = asked.clone();
        let ask = move || {
            let before = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let answer = if before < 2 {
                Ok(())
            } else {
                Err(Fault::unauthenticated(ErrorReason::CredentialInvalid, "revoked"))
            };
            std::future::ready(answer).boxed()
        };
        let recheck = Recheck::new(Duration::from_millis(20), ask, futures::future::pending().boxed());
        let endless = Body::new(StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Status>>()));
        let started = tokio::time::Instant::now();
        let status =
            Status::from_header_map(&trailers(settle(answer(endless), Verdict::default(), Some(recheck))).await)
                .unwrap();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert!(started.elapsed() >= Duration::from_millis(60));
        assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 3);
    }
}
