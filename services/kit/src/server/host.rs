//! Serves stacks on a socket.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Request, Response};
use omnimesh_proto::common::v1::ErrorReason;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, body::Body, service::Routes};
use tonic_health::ServingStatus;
use tower::Service;

use super::{Server, Stack, handler::refuse};
use crate::{
    auth::{InProcess, rule},
    call::Call,
    error::Fault,
};

/// Says which service is meant when several of one process serve the same RPC. A hint for routing only: the token's
/// audience decides.
pub(crate) const TARGET_HEADER: &str = "omnimesh-target";

/// How long an aged connection's calls may still take.
const AGE_GRACE: Duration = Duration::from_secs(60);

impl Server {
    /// Serves `stacks` on a socket as a task of the lifecycle, with gRPC health for the process (`""`) and for each
    /// gRPC service. Stops gracefully with the lifecycle.
    pub fn serve(&self, listener: TcpListener, stacks: Vec<Stack>) {
        let server = self.clone();
        self.lifecycle.spawn("grpc", async move {
            if let Err(failed) = server.run(listener, stacks).await {
                tracing::error!(error = %failed, "the gRPC listener failed");
                // A process that can't be reached is of no use: let it be started again.
                server.lifecycle.token().cancel();
            }
        });
    }

    async fn run(&self, listener: TcpListener, stacks: Vec<Stack>) -> Result<(), tonic::transport::Error> {
        let (reporter, health) = tonic_health::server::health_reporter();
        let names = health_names(&stacks);
        let lifecycle = self.lifecycle.clone();
        self.lifecycle.spawn("health", async move {
            let (mut ready, stop) = (lifecycle.readiness(), lifecycle.token());
            loop {
                let serving = *ready.borrow_and_update();
                let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
                for name in &names {
                    reporter.set_service_status(name, status).await;
                }
                tokio::select! {
                    changed = ready.changed() => if changed.is_err() { return },
                    // Once it stops it never serves again.
                    () = stop.cancelled() => {
                        for name in &names {
                            reporter.set_service_status(name, ServingStatus::NotServing).await;
                        }
                        return;
                    }
                }
            }
        });
        let dispatch = Dispatch { health: Routes::new(health).prepare(), ..Dispatch::of(stacks) };
        let mut builder = tonic::transport::Server::builder();
        if let Some(tls) = &self.tls {
            builder = builder.tls_config(tls.server())?;
        }
        builder
            .max_connection_age(Duration::from_secs(self.settings.max_connection_age_seconds))
            .max_connection_age_grace(AGE_GRACE)
            .http2_keepalive_interval(Some(Duration::from_secs(self.settings.keepalive_seconds)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .tcp_nodelay(true)
            .serve_with_incoming_shutdown(
                dispatch,
                TcpListenerStream::new(listener),
                self.lifecycle.token().cancelled_owned(),
            )
            .await
    }
}

/// The names that health is asked for: the process, its targets, and the gRPC services of their contract.
fn health_names(stacks: &[Stack]) -> Vec<String> {
    let mut names = vec![String::new()];
    for stack in stacks {
        names.push(stack.target().to_owned());
        let served = crate::auth::rules().filter(|rule| rule.target.as_deref() == Some(stack.target()));
        names.extend(served.map(|rule| rule.service.clone()));
    }
    names.sort();
    names.dedup();
    names
}

/// What a socket's requests reach: the stack of their target, or health.
#[derive(Clone)]
pub(super) struct Dispatch {
    stacks: Arc<HashMap<&'static str, Stack>>,
    health: Routes,
}

impl Dispatch {
    pub(super) fn of(stacks: Vec<Stack>) -> Self {
        let stacks = stacks.into_iter().map(|stack| (stack.target(), stack)).collect();
        Self { stacks: Arc::new(stacks), health: Routes::default() }
    }

    fn stack_for(&self, request: &Request<Body>) -> Option<&Stack> {
        let named = match rule(request.uri().path()).and_then(|rule| rule.target.as_deref()) {
            Some(target) => Some(target),
            None => request.headers().get(TARGET_HEADER).and_then(|target| target.to_str().ok()),
        };
        named.and_then(|target| self.stacks.get(target))
    }
}

impl Service<Request<Body>> for Dispatch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // What came through a socket is known by its token alone.
        request.extensions_mut().remove::<InProcess>();
        request.extensions_mut().remove::<Call>();
        if request.uri().path().starts_with("/grpc.health.v1.Health/") {
            return Box::pin(self.health.clone().call(request));
        }
        match self.stack_for(&request).cloned() {
            Some(mut stack) => stack.call(request),
            None => Box::pin(std::future::ready(Ok(refuse(Fault::new(
                Code::Unimplemented,
                ErrorReason::UnknownMethod,
                "no such method is served here",
            ))))),
        }
    }
}
