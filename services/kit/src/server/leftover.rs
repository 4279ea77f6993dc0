//! What a client sent and nobody read: a call that is refused early is answered before its message is there.
//!
//! HTTP/2 lets a server answer early and then reset the stream (RFC 9113, section 8.1), but clients that are still sending
//! take the reset for the answer, and never see why they were refused. So what is on its way is read first, within bounds.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tonic::{Status, body::Body};

/// No more bytes than that are read for nothing,
const MOST: usize = 256 * 1024;
/// and no longer than that.
const PATIENCE: Duration = Duration::from_millis(500);

/// The body of a request, if it was given up before its end.
#[derive(Debug)]
pub struct Leftover(oneshot::Receiver<Body>);

impl Leftover {
    /// The same request, and what will be left of it.
    #[must_use]
    pub fn of(request: Request<Body>) -> (Request<Body>, Self) {
        let (back, left) = oneshot::channel();
        (request.map(|body| Body::new(Lent { body: Some(body), back: Some(back) })), Self(left))
    }

    /// Reads what was given up, before the answer is sent. A body that somebody still reads is left alone.
    pub async fn read(mut self) {
        let Ok(mut body) = self.0.try_recv() else { return };
        let rest = async {
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > MOST {
                    return;
                }
            }
        };
        drop(tokio::time::timeout(PATIENCE, rest).await);
    }
}

struct Lent {
    body: Option<Body>,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take().filter(|body| !body.is_end_stream()), self.back.take()) {
            drop(back.send(body));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use futures::StreamExt as _;
    use http_body_util::StreamBody;

    use super::*;

    /// A request of so many kilobytes, and how many were read.
    fn request(kilobytes: usize) -> (Request<Body>, Arc<AtomicUsize>) {
        let read = Arc::new(AtomicUsize::new(0));
        let count = read.clone();
        let frames = futures::stream::repeat_with(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Status>(Frame::data(Bytes::from_static(&[0; 1024])))
        });
        (Request::new(Body::new(StreamBody::new(frames.take(kilobytes)))), read)
    }

    #[tokio::test]
    async fn what_was_given_up_is_read_within_bounds() {
        for (sent, expected) in [(0, 0), (5, 5), (1_000, 257)] {
            let (request, read) = request(sent);
            let (request, leftover) = Leftover::of(request);
            drop(request);
            leftover.read().await;
            assert_eq!(read.load(Ordering::SeqCst), expected);
        }
    }

    #[tokio::test]
    async fn what_somebody_reads_is_left_alone() {
        let (request, read) = request(5);
        let (request, leftover) = Leftover::of(request);
        leftover.read().await;
        assert_eq!(read.load(Ordering::SeqCst), 0);
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes().len(), 5 * 1024);
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_not_waited_for() {
        let silent = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Status>>());
        let (request, leftover) = Leftover::of(Request::new(Body::new(silent)));
        drop(request);
        tokio::time::timeout(PATIENCE * 4, leftover.read()).await.unwrap();
    }
}
