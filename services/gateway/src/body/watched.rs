//! A gRPC request on its way through: its messages are measured, not kept, and a client that is too slow is cut.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use omnimesh_kit::error::Fault;
use omnimesh_proto::common::v1::ErrorReason;
use tokio::time::Sleep;
use tonic::{Code, Status, body::Body};

use super::Verdict;
use crate::frames::{Meter, malformed};

pub(crate) struct Watched {
    inner: Body,
    meter: Meter,
    verdict: Verdict,
    deadline: Option<Pin<Box<Sleep>>>,
    done: bool,
}

impl Watched {
    /// `patience` is how long the whole request may take to arrive; `None` for a client that streams.
    pub(crate) fn new(inner: Body, limit: usize, patience: Option<Duration>, verdict: Verdict) -> Self {
        let deadline = patience.map(|patience| Box::pin(tokio::time::sleep(patience)));
        Self { inner, meter: Meter::new(limit), verdict, deadline, done: false }
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.done = true;
        Poll::Ready(Some(Err(self.verdict.set(fault).into())))
    }
}

/// A client that does not send what it began.
pub(crate) fn too_slow() -> Fault {
    Fault::new(Code::DeadlineExceeded, ErrorReason::DeadlineExceeded, "the request took too long to arrive")
}

/// A client's body that broke off: what exactly broke is of no use to anyone but the log.
pub(crate) fn broken(error: &(dyn std::error::Error + 'static)) -> Fault {
    tracing::debug!(error = %error, "a request broke off");
    malformed("the request's body can't be read")
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.done {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let seen = frame.data_ref().map_or(Ok(()), |data| self.meter.observe(data));
                match seen {
                    Ok(()) => Poll::Ready(Some(Ok(frame))),
                    Err(fault) => self.fail(fault),
                }
            }
            Poll::Ready(Some(Err(error))) => self.fail(broken(&error)),
            Poll::Ready(None) => match self.meter.finish() {
                Ok(()) => {
                    self.done = true;
                    Poll::Ready(None)
                }
                Err(fault) => self.fail(fault),
            },
            Poll::Pending => {
                let late = self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready());
                if late { self.fail(too_slow()) } else { Poll::Pending }
            }
        }
    }
}
