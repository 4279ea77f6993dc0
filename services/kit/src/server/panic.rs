//! A panic ends one call, not the process.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use tonic::{Status, body::Body};

use super::handler::{Handler, Rpc, refuse};
use crate::{error::Fault, lifecycle::panic_text};

#[derive(Clone, Debug)]
pub(super) struct CatchPanic<S>(pub(super) S);

impl<S: Handler> Handler for CatchPanic<S> {
    async fn handle(&self, rpc: Rpc, request: Request<Body>) -> Response<Body> {
        match AssertUnwindSafe(self.0.handle(rpc, request)).catch_unwind().await {
            Ok(response) if rpc.streams() => response.map(|body| Body::new(Caught(Some(body)))),
            Ok(response) => response,
            Err(panic) => refuse(fault(&*panic)),
        }
    }
}

fn fault(panic: &(dyn std::any::Any + Send)) -> Fault {
    Fault::internal(format_args!("panic: {}", panic_text(panic)))
}

/// A streaming body; `None` after a panic, since its state is not to be trusted.
struct Caught(Option<Body>);

impl HttpBody for Caught {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        match std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(context))) {
            Ok(polled) => polled,
            Err(panic) => {
                self.0 = None;
                let mut trailers = http::HeaderMap::new();
                drop(Status::from(fault(&*panic)).add_header(&mut trailers));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    // A refusal is headers and nothing else: with an empty frame behind them some clients take it for a broken stream.
    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }
}
