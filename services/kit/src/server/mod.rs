//! The one stack in front of every service, and the gRPC host that serves it.
//!
//! trace -> metrics -> deadline -> load shed -> catch panic -> auth -> the service. Calls within the process pass the
//! same layers as calls from outside.

mod auth;
mod clarify;
mod deadline;
mod handler;
mod host;
mod leftover;
mod metrics;
mod panic;
mod room;
mod shed;
#[cfg(test)]
mod tests;
mod trace;

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use tonic::{body::Body, service::Routes};

use self::{
    auth::Auth,
    deadline::Deadline,
    handler::{Handler as _, Rpc, Served},
    metrics::Metrics,
    panic::CatchPanic,
    shed::LoadShed,
    trace::Trace,
};
use crate::{
    auth::{InProcess, TokenKey, rule},
    lifecycle::Lifecycle,
    tls::MutualTls,
};

pub use clarify::{MAX_REQUEST_BYTES, clarify, clear};
pub(crate) use deadline::{GRPC_TIMEOUT, exceeded, timeout_in, timeout_text};
pub(crate) use handler::{code_in, refuse};
pub(crate) use host::TARGET_HEADER;
pub use leftover::Leftover;
pub use room::{Place, Room};
pub(crate) use shed::NESTED_HEADER;

/// How this process serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Calls at the same time in this process at the most; what they take sets a lower limit, see [`Room`].
    pub max_concurrent_calls: usize,
    /// Seconds after which a connection is asked to come again, so that clients spread over new replicas.
    pub max_connection_age_seconds: u64,
    /// Seconds between two pings on a connection.
    pub keepalive_seconds: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self { max_concurrent_calls: 2_048, max_connection_age_seconds: 300, keepalive_seconds: 20 }
    }
}

/// What all services of this process share. Clones share it.
#[derive(Clone, Debug)]
pub struct Server {
    settings: ServerSettings,
    room: Room,
    keys: TokenKey,
    lifecycle: Lifecycle,
    tls: Option<MutualTls>,
}

impl Server {
    /// The server of this process.
    #[must_use]
    pub fn new(settings: ServerSettings, keys: TokenKey, lifecycle: Lifecycle) -> Self {
        Self { room: Room::new(settings.max_concurrent_calls), settings, keys, lifecycle, tls: None }
    }

    /// The same, whose sockets speak TLS only, and only with processes of the mesh.
    #[must_use]
    pub fn with_tls(self, tls: Option<MutualTls>) -> Self {
        Self { tls, ..self }
    }

    /// The process's room for calls: whoever takes calls from outside has them find a place in it.
    #[must_use]
    pub fn room(&self) -> Room {
        self.room.clone()
    }

    /// The stack around the servers of the service `target`.
    #[must_use]
    pub fn stack(&self, target: &'static str, routes: Routes) -> Stack {
        let inner = Served(routes.prepare());
        let inner = Auth { target, keys: self.keys.clone(), inner };
        let inner = CatchPanic(inner);
        let inner = LoadShed { room: self.room.clone(), inner };
        let inner = Deadline { stop: self.lifecycle.token(), inner };
        let inner = Metrics { target, inner };
        Stack { target, layers: Arc::new(Trace { target, inner }) }
    }
}

type Layers = Trace<Metrics<Deadline<LoadShed<CatchPanic<Auth<Served>>>>>>;

/// A service behind its stack: a tower service of raw gRPC requests.
#[derive(Clone)]
pub struct Stack {
    target: &'static str,
    layers: Arc<Layers>,
}

impl Stack {
    /// The service's name.
    #[must_use]
    pub fn target(&self) -> &'static str {
        self.target
    }

    /// Answers one call.
    pub(crate) async fn answer(
        &self,
        deadline: Option<tokio::time::Instant>,
        request: Request<Body>,
    ) -> Response<Body> {
        let rpc = Rpc {
            rule: rule(request.uri().path()),
            in_process: request.extensions().get::<InProcess>().is_some(),
            deadline,
        };
        self.layers.handle(rpc, request).await
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stack").field(&self.target).finish()
    }
}

impl tower::Service<Request<Body>> for Stack {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let stack = self.clone();
        Box::pin(async move {
            let (request, leftover) = Leftover::of(request);
            let response = stack.answer(None, request).await;
            leftover.read().await;
            Ok(response)
        })
    }
}
