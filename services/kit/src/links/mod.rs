//! How one service calls another: directly if it lives in this process, else over the network. Either way the call
//! carries who calls, on whose behalf, until when, and in which trace.

mod balance;
mod budget;
mod circuit;
mod log;
mod remote;

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri};
use tokio::time::Instant;
use tonic::body::Body;

pub use self::balance::{Balanced, Error};
use self::remote::Remote;
use crate::{
    auth::{Caller, IDENTITY_HEADER, InProcess, TokenKey, rule},
    call::Call,
    config::{Settings, Texts},
    error::Fault,
    lifecycle::Lifecycle,
    server::{GRPC_TIMEOUT, NESTED_HEADER, Stack, TARGET_HEADER, refuse, timeout_in},
    tls::MutualTls,
};

/// How long a unary call may take whose caller sets no limit.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers of the mesh's own: never taken over from a client.
const INTERNAL_PREFIX: &str = "omnimesh-";

/// Where services of other processes are: name -> `http://host:port` (`https://` with TLS between processes), several or one name with several addresses.
pub type Addresses = BTreeMap<String, Vec<Uri>>;

/// The addresses that the settings name.
///
/// # Errors
/// An address that is no URI; the check at start refuses it earlier.
pub fn addresses(settings: &Settings) -> Result<Addresses, http::uri::InvalidUri> {
    let parse = |texts: &Texts| texts.iter().map(|text| text.parse()).collect::<Result<Vec<Uri>, _>>();
    settings.addresses.iter().map(|(target, texts)| Ok((target.clone(), parse(texts)?))).collect()
}

/// The way to every service of the mesh, for one calling service. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Links {
    shared: Arc<Shared>,
    from: Option<Arc<str>>,
}

#[derive(Debug)]
struct Shared {
    keys: TokenKey,
    addresses: Addresses,
    lifecycle: Lifecycle,
    tls: Option<MutualTls>,
    ways: RwLock<HashMap<String, Way>>,
}

#[derive(Clone, Debug)]
enum Way {
    Local(Stack),
    Remote(Arc<Remote>),
}

impl Links {
    /// The process's links; they belong to no service yet, see [`Self::of`].
    #[must_use]
    pub fn new(keys: TokenKey, addresses: Addresses, lifecycle: Lifecycle) -> Self {
        let shared = Shared { keys, addresses, lifecycle, tls: None, ways: RwLock::default() };
        Self { shared: Arc::new(shared), from: None }
    }

    /// The same, before any use of them, with TLS to the services of other processes: their addresses are `https://`.
    #[must_use]
    pub fn with_tls(self, tls: Option<MutualTls>) -> Self {
        let Shared { keys, addresses, lifecycle, .. } = &*self.shared;
        let (keys, addresses, lifecycle) = (keys.clone(), addresses.clone(), lifecycle.clone());
        Self { shared: Arc::new(Shared { keys, addresses, lifecycle, tls, ways: RwLock::default() }), from: self.from }
    }

    /// The links that the service `name` uses: its calls carry its name.
    #[must_use]
    pub fn of(&self, name: &str) -> Self {
        Self { shared: self.shared.clone(), from: Some(name.into()) }
    }

    /// From now on the service behind `stack` is called directly. Links made before see it too.
    pub fn register_local(&self, stack: Stack) {
        let mut ways = self.shared.ways.write().unwrap_or_else(PoisonError::into_inner);
        ways.insert(stack.target().to_owned(), Way::Local(stack));
    }

    /// Whether the service `target` lives in this process.
    #[must_use]
    pub fn is_local(&self, target: &str) -> bool {
        let ways = self.shared.ways.read().unwrap_or_else(PoisonError::into_inner);
        matches!(ways.get(target), Some(Way::Local(_)))
    }

    /// A link to the service `target` for calls on behalf of `call`'s caller and within its deadline. Made for a
    /// generated client: `CatalogServiceClient::new(deps.links.to("catalog", &call))`.
    #[must_use]
    pub fn to(&self, target: &str, call: &Call) -> BoundLink {
        let service = self.from.as_deref().map(str::to_owned);
        BoundLink {
            links: self.clone(),
            target: target.into(),
            caller: Caller { identity: call.caller.identity.clone(), service },
            deadline: call.deadline.map(Instant::from_std),
            idempotent: false,
        }
    }

    /// Passes a raw gRPC request on to the service `target`, as the gateway does: bodies are streamed, not decoded.
    /// Internal headers that the client sent are removed. Failures are answers with a gRPC status.
    pub async fn forward(&self, target: &str, caller: Caller, request: Request<Body>) -> Response<Body> {
        self.send(target, caller, None, false, request).await
    }

    async fn send(
        &self,
        target: &str,
        caller: Caller,
        deadline: Option<Instant>,
        idempotent: bool,
        mut request: Request<Body>,
    ) -> Response<Body> {
        let rule = rule(request.uri().path());
        let now = Instant::now();
        let asked = timeout_in(request.headers()).map(|timeout| now + timeout);
        let streams = rule.is_some_and(|rule| !rule.is_unary());
        let deadline = deadline.into_iter().chain(asked).min().or_else(|| (!streams).then(|| now + DEFAULT_TIMEOUT));
        if deadline.is_some_and(|deadline| deadline <= now) {
            return refuse(crate::server::exceeded());
        }
        strip_internal(&mut request);
        match self.way(target) {
            Some(Way::Local(stack)) => {
                request.headers_mut().remove(GRPC_TIMEOUT);
                request.extensions_mut().insert(InProcess(caller));
                stack.answer(deadline, request).await
            }
            Some(Way::Remote(remote)) => {
                let (token, named) =
                    match (self.shared.keys.issue(&caller, target).await, HeaderValue::from_str(target)) {
                        (Ok(token), Ok(named)) => (token, named),
                        (Err(fault), _) => return refuse(fault),
                        (_, Err(error)) => return refuse(Fault::internal(error)),
                    };
                request.headers_mut().insert(IDENTITY_HEADER, token);
                request.headers_mut().insert(TARGET_HEADER, named);
                if caller.service.is_some() {
                    request.headers_mut().insert(NESTED_HEADER, HeaderValue::from_static("1"));
                }
                let idempotent = idempotent || rule.is_some_and(|rule| rule.idempotent);
                let may_repeat = idempotent && !rule.is_some_and(|rule| rule.client_streaming);
                // Large, with its repetitions: what answers in this process need not carry it about.
                Box::pin(remote.send(deadline, may_repeat, request)).await
            }
            None => refuse(Fault::unavailable(format!("the service {target} has no address"))),
        }
    }

    fn way(&self, target: &str) -> Option<Way> {
        let ways = self.shared.ways.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = ways.get(target) {
            return Some(way.clone());
        }
        drop(ways);
        let uris = self.shared.addresses.get(target)?.clone();
        let mut ways = self.shared.ways.write().unwrap_or_else(PoisonError::into_inner);
        let way = ways.entry(target.to_owned()).or_insert_with(|| {
            let Shared { tls, lifecycle, .. } = &*self.shared;
            Way::Remote(Arc::new(Remote::new(target, uris, tls.clone(), lifecycle)))
        });
        Some(way.clone())
    }
}

fn strip_internal(request: &mut Request<Body>) {
    let internal = |name: &&http::HeaderName| name.as_str().starts_with(INTERNAL_PREFIX);
    let sent: Vec<_> = request.headers().keys().filter(internal).cloned().collect();
    for name in sent {
        request.headers_mut().remove(name);
    }
}

/// A link to one service on behalf of one caller: the transport of a generated client. Clones are calls of their own.
#[derive(Clone)]
pub struct BoundLink {
    links: Links,
    target: Arc<str>,
    caller: Caller,
    deadline: Option<Instant>,
    idempotent: bool,
}

impl BoundLink {
    /// Says that its calls may be sent twice, because they carry a request id or change nothing.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Its calls take `timeout` at the most, and never longer than the call they are made for.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        let deadline = Instant::now() + timeout;
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        self
    }
}

impl fmt::Debug for BoundLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundLink").field("target", &self.target).finish_non_exhaustive()
    }
}

impl tower::Service<Request<Body>> for BoundLink {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { links, target, caller, deadline, idempotent } = self.clone();
        Box::pin(async move { Ok(links.send(&target, caller, deadline, idempotent, request).await) })
    }
}
