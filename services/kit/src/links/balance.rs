//! One connection to every address of a service, and the least busy of them for each call.
//!
//! Names are asked again now and then, so that new replicas are found. A replica that says goodbye (GOAWAY) gets no new
//! call: what it had begun it finishes, and a call that had not left yet goes to another one.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Request, Response, Uri};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use crate::{lifecycle::Lifecycle, tls::MutualTls};

/// How often names are asked again.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);
/// How long a connection may take to be made, TLS included.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a call waits for the first connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// The wait before an address is tried again; it doubles up to [`AWAY`].
const BACKOFF: Duration = Duration::from_millis(50);
/// Who has just ended a connection is left alone so long: its socket may still listen for a moment. Unless nobody else is
/// there.
const AWAY: Duration = Duration::from_secs(1);
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address takes a connection.
    #[error("no address can be reached")]
    Unreachable,
    /// The connection broke while the call was under way.
    #[error("the connection broke off")]
    Broken(#[source] hyper::Error),
}

/// A client of all replicas of a service: a transport for generated clients. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Balanced {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: String,
    tls: Option<MutualTls>,
    state: watch::Sender<State>,
    // Rung by a call that finds no connection.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: Vec<Arc<Connection>>,
    known: usize,
    // Attempts that failed since the start.
    failures: usize,
}

#[derive(Debug)]
struct Connection {
    address: SocketAddr,
    sender: SendRequest<Body>,
    origin: Uri,
    under_way: AtomicUsize,
    ended: CancellationToken,
}

/// One more call under way, until dropped.
struct UnderWay(Arc<Connection>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Balanced {
    /// Connects to every address that `uris` resolve to, now and later, as tasks of the lifecycle.
    #[must_use]
    pub fn new(target: &str, uris: Vec<Uri>, tls: Option<MutualTls>, lifecycle: &Lifecycle) -> Self {
        let shared = Shared { target: target.to_owned(), tls, state: watch::Sender::default(), wanted: Notify::new() };
        let balanced = Self { shared: Arc::new(shared) };
        let (shared, tasks, stop) = (balanced.shared.clone(), lifecycle.clone(), lifecycle.token());
        lifecycle.spawn("resolve", async move {
            stop.run_until_cancelled(shared.follow(&uris, &tasks)).await;
        });
        balanced
    }

    /// Sends a request to the least busy replica. One that could not leave, because its connection was just ending, goes to
    /// another; one that left is never sent again.
    ///
    /// # Errors
    /// If no replica can be reached, or the connection broke before the answer began.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, Error> {
        let until = Instant::now() + PATIENCE;
        loop {
            let Some(place) = self.pick(until).await else { return Err(Error::Unreachable) };
            let connection = &place.0;
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            (parts.scheme, parts.authority) =
                (connection.origin.scheme().cloned(), connection.origin.authority().cloned());
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
            match connection.sender.clone().try_send_request(request).await {
                Ok(response) => return Ok(response.map(Body::new)),
                Err(mut refused) => {
                    // It never left.
                    let Some(back) = refused.take_message() else { return Err(Error::Broken(refused.into_error())) };
                    connection.ended.cancel();
                    self.shared.remove(connection);
                    request = back;
                }
            }
        }
    }

    async fn pick(&self, until: Instant) -> Option<UnderWay> {
        let shared = &self.shared;
        let mut changes = shared.state.subscribe();
        let tried = {
            let state = changes.borrow_and_update();
            if let Some(place) = state.pick() {
                return Some(place);
            }
            state.failures
        };
        shared.wanted.notify_waiters();
        loop {
            tokio::time::timeout_at(until, changes.changed()).await.ok()?.ok()?;
            let state = changes.borrow_and_update();
            if let Some(place) = state.pick() {
                return Some(place);
            }
            // Each was tried once more.
            if state.failures >= tried + state.known.max(1) {
                return None;
            }
        }
    }
}

impl State {
    /// The least busy connection; among equals any.
    fn pick(&self) -> Option<UnderWay> {
        let first = if self.ready.len() > 1 { rand::random_range(0..self.ready.len()) } else { 0 };
        let (before, from) = self.ready.split_at_checked(first)?;
        let alive = from.iter().chain(before).filter(|connection| !connection.sender.is_closed());
        let chosen = alive.min_by_key(|connection| connection.under_way.load(Ordering::Relaxed))?;
        chosen.under_way.fetch_add(1, Ordering::Relaxed);
        Some(UnderWay(chosen.clone()))
    }
}

impl Shared {
    /// Keeps a connection to every address, as long as its name resolves to it.
    async fn follow(self: &Arc<Self>, uris: &[Uri], tasks: &Lifecycle) {
        let mut known = BTreeMap::<SocketAddr, CancellationToken>::new();
        loop {
            let (found, complete) = resolve(&self.target, uris).await;
            for (address, uri) in &found {
                if known.contains_key(address) {
                    continue;
                }
                let gone = tasks.token().child_token();
                let (shared, address, uri, until) = (self.clone(), *address, uri.clone(), gone.clone());
                tasks.spawn("connection", async move {
                    until.run_until_cancelled(shared.keep(address, &uri)).await;
                });
                known.insert(address, gone);
            }
            // A name that does not resolve for a moment takes no address away.
            if complete {
                let kept: BTreeSet<_> = found.keys().copied().collect();
                for (_, gone) in known.extract_if(.., |address, _| !kept.contains(address)) {
                    gone.cancel();
                }
                self.state.send_modify(|state| state.ready.retain(|connection| kept.contains(&connection.address)));
            }
            self.state.send_modify(|state| {
                state.known = known.len();
                state.failures += usize::from(known.is_empty());
            });
            let wait = if known.is_empty() { AWAY } else { RESOLVE_EVERY };
            tokio::time::sleep(wait).await;
        }
    }

    /// Keeps a connection to one address.
    async fn keep(self: &Arc<Self>, address: SocketAddr, uri: &Uri) {
        let mut wait = BACKOFF;
        loop {
            match tokio::time::timeout(CONNECT, self.connect(address, uri)).await {
                Ok(Ok(connection)) => {
                    let ended = connection.ended.clone();
                    let connection = Arc::new(connection);
                    self.state.send_modify(|state| state.ready.push(connection.clone()));
                    ended.cancelled().await;
                    self.remove(&connection);
                    tracing::debug!(target_service = self.target, "a connection ended");
                    wait = AWAY;
                }
                failed => {
                    self.state.send_modify(|state| state.failures += 1);
                    if let Ok(Err(error)) = failed {
                        tracing::debug!(target_service = self.target, %error, "an address takes no connection");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wanted.notified() => {}
            }
            wait = (wait * 2).min(AWAY);
        }
    }

    fn remove(&self, gone: &Arc<Connection>) {
        self.state.send_if_modified(|state| {
            let before = state.ready.len();
            state.ready.retain(|connection| !Arc::ptr_eq(connection, gone));
            state.ready.len() < before
        });
    }

    async fn connect(&self, address: SocketAddr, uri: &Uri) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => handshake(tls.connect(uri, stream).await?, address, uri).await,
            None => handshake(stream, address, uri).await,
        }
    }
}

async fn handshake<S>(stream: S, address: SocketAddr, uri: &Uri) -> io::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = shaken.map_err(io::Error::other)?;
    let ended = CancellationToken::new();
    let told = ended.clone().drop_guard();
    // It lives as long as its calls, also when the process stops: they may need it to end in order.
    hyper::rt::Executor::execute(&TokioExecutor::new(), async move {
        let _told = told;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection broke off");
        }
    });
    Ok(Connection { address, sender, origin: uri.clone(), under_way: AtomicUsize::new(0), ended })
}

impl tower::Service<Request<Body>> for Balanced {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.send(request).await })
    }
}

/// Every address with the URI it came from, and whether every name was resolved.
async fn resolve(target: &str, uris: &[Uri]) -> (BTreeMap<SocketAddr, Uri>, bool) {
    let (mut found, mut complete) = (BTreeMap::new(), true);
    for uri in uris {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        match tokio::net::lookup_host((host, port)).await {
            Ok(addresses) => found.extend(addresses.map(|address| (address, uri.clone()))),
            Err(error) => {
                complete = false;
                tracing::warn!(target_service = target, %error, "the address does not resolve");
            }
        }
    }
    (found, complete)
}
