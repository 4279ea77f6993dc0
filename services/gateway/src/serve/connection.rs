//! One connection: HTTP/1.1 or HTTP/2, whichever the client begins with.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use omnimesh_kit::server::Leftover;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::{Status, body::Body};

use crate::gateway::Gateway;

/// The client's preface of HTTP/2. Until so much has come, nothing else watches how long a client takes.
const PREFACE: usize = 24;

impl Gateway {
    pub(super) async fn speak<S>(&self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let received = Arc::new(AtomicUsize::new(0));
        let io = TokioIo::new(Counted { inner: stream, received: received.clone() });
        let gateway = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let gateway = gateway.clone();
            let request = request.map(|body| Body::new(body.map_err(|error| Status::unknown(error.to_string()))));
            async move {
                let (request, leftover) = Leftover::of(request);
                let response = gateway.answer(peer, request).await;
                leftover.read().await;
                Ok::<_, Infallible>(response)
            }
        });
        let builder = self.builder();
        let mut connection = pin!(builder.serve_connection(io, service));
        let settings = &self.shared.settings;
        let mut silence = pin!(tokio::time::sleep(settings.header_timeout()));
        let stop = self.shared.lifecycle.token();
        let (mut spoke, mut stopping) = (false, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %error, "a connection broke off");
                    }
                    return;
                }
                () = silence.as_mut(), if !spoke => {
                    if received.load(Ordering::Relaxed) < PREFACE {
                        tracing::debug!("a client that said nothing was cut off");
                        return;
                    }
                    spoke = true;
                }
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let settings = &self.shared.settings;
        let header_bytes = usize::try_from(settings.max_header_bytes).unwrap_or(usize::MAX);
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.header_timeout())
            .max_buf_size(header_bytes.max(8 * 1024))
            .max_headers(100);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.max_streams_per_connection)
            .max_header_list_size(settings.max_header_bytes)
            .adaptive_window(true)
            .keep_alive_interval(Duration::from_secs(settings.keepalive_seconds))
            .keep_alive_timeout(Duration::from_secs(10));
        builder
    }
}

/// Counts what a client sent.
struct Counted<S> {
    inner: S,
    received: Arc<AtomicUsize>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.received.fetch_add(buffer.filled().len().saturating_sub(before), Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
