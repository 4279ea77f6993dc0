//! When the caller stops waiting, so does the work.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use omnimesh_proto::common::v1::ErrorReason;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Code, Status, body::Body};

use super::handler::{Handler, Rpc, refuse};
use crate::error::Fault;

/// The header of gRPC.
pub(crate) const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Answered so much before the caller gives up, so that the answer with its details arrives first.
const AHEAD: Duration = Duration::from_millis(3);

#[derive(Clone, Debug)]
pub(super) struct Deadline<S> {
    pub(super) stop: CancellationToken,
    pub(super) inner: S,
}

impl<S: Handler> Handler for Deadline<S> {
    async fn handle(&self, mut rpc: Rpc, request: Request<Body>) -> Response<Body> {
        let asked = timeout_in(request.headers()).map(|timeout| Instant::now() + timeout);
        rpc.deadline = rpc.deadline.into_iter().chain(asked).min();
        let Some(deadline) = rpc.deadline else {
            return self.guard(rpc, self.inner.handle(rpc, request).await);
        };
        let answer_at = deadline.checked_sub(AHEAD).unwrap_or(deadline);
        match tokio::time::timeout_at(answer_at, self.inner.handle(rpc, request)).await {
            Ok(response) => self.guard(rpc, response),
            Err(_) => refuse(exceeded()),
        }
    }
}

impl<S> Deadline<S> {
    /// A stream ends at the deadline, and when the process stops: its client resumes elsewhere.
    fn guard(&self, rpc: Rpc, response: Response<Body>) -> Response<Body> {
        if !rpc.streams() {
            return response;
        }
        let stop = Box::pin(self.stop.clone().cancelled_owned());
        let sleep = rpc.deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        response.map(|inner| Body::new(Ending { inner: Some(inner), sleep, stop }))
    }
}

pub(crate) fn exceeded() -> Fault {
    Fault::new(Code::DeadlineExceeded, ErrorReason::DeadlineExceeded, "the call's deadline passed before it was done")
}

struct Ending {
    inner: Option<Body>,
    sleep: Option<Pin<Box<Sleep>>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        if let ready @ Poll::Ready(_) = Pin::new(inner).poll_frame(context) {
            return ready;
        }
        let late = self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(context).is_ready());
        let fault = if late {
            exceeded()
        } else if self.stop.as_mut().poll(context).is_ready() {
            Fault::unavailable("this process is stopping: open the stream again")
        } else {
            return Poll::Pending;
        };
        self.inner = None;
        let mut trailers = HeaderMap::new();
        drop(Status::from(fault).add_header(&mut trailers));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }
}

/// The timeout that `grpc-timeout` asks for; a malformed one asks for nothing.
pub(crate) fn timeout_in(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3_600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// The header's form of a timeout: at most 8 digits, rounded down.
pub(crate) fn timeout_text(timeout: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let micros = timeout.as_micros();
    if micros <= MOST {
        format!("{micros}u")
    } else if micros / 1_000 <= MOST {
        format!("{}m", micros / 1_000)
    } else {
        format!("{}S", (micros / 1_000_000).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;
    use crate::server::panic::CatchPanic;

    /// A stream on which nothing ever happens.
    #[derive(Clone)]
    struct Silent;

    impl Handler for Silent {
        async fn handle(&self, _: Rpc, _: Request<Body>) -> Response<Body> {
            Response::new(Body::new(StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Status>>())))
        }
    }

    /// A stream that does not even begin.
    #[derive(Clone)]
    struct Refusing;

    impl Handler for Refusing {
        async fn handle(&self, _: Rpc, _: Request<Body>) -> Response<Body> {
            refuse(exceeded())
        }
    }

    async fn answer(stop: CancellationToken, deadline: Option<Instant>, inner: impl Handler) -> Response<Body> {
        let rule = crate::auth::rules().find(|rule| rule.server_streaming && !rule.client_streaming);
        let rpc = Rpc { rule, in_process: true, deadline };
        Deadline { stop, inner }.handle(rpc, Request::new(Body::empty())).await
    }

    async fn ending(stop: CancellationToken, deadline: Option<Instant>) -> Status {
        let response = answer(stop, deadline, Silent).await;
        let trailers = response.into_body().collect().await.unwrap().trailers().cloned().unwrap();
        Status::from_header_map(&trailers).unwrap()
    }

    #[tokio::test]
    async fn a_stream_ends_at_its_deadline_and_when_the_process_stops() {
        let deadline = Instant::now() + Duration::from_millis(20);
        let late = ending(CancellationToken::new(), Some(deadline)).await;
        assert_eq!(late.code(), Code::DeadlineExceeded);
        let stop = CancellationToken::new();
        stop.cancel();
        let stopped = ending(stop, None).await;
        assert_eq!(stopped.code(), Code::Unavailable);
        assert!(!stopped.details().is_empty());
    }

    #[tokio::test]
    async fn a_refused_stream_is_headers_and_nothing_else() {
        let response = answer(CancellationToken::new(), None, CatchPanic(Refusing)).await;
        assert!(response.headers().contains_key(Status::GRPC_STATUS));
        assert!(response.body().is_end_stream(), "an empty frame follows, which is no way to end a stream");
    }

    #[test]
    fn timeouts_are_read_and_written_as_grpc_says() {
        let read = |text: &str| {
            timeout_in(&HeaderMap::from_iter([(http::HeaderName::from_static(GRPC_TIMEOUT), text.parse().unwrap())]))
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("2H"), Some(Duration::from_secs(7_200)));
        for wrong in ["", "5", "m", "-5m", "123456789m", "5x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for timeout in [Duration::from_micros(1), Duration::from_secs(99), Duration::from_secs(100_000)] {
            assert_eq!(read(&timeout_text(timeout)), Some(timeout));
        }
        assert_eq!(read(&timeout_text(Duration::MAX)), Some(Duration::from_secs(99_999_999)));
    }
}
