//! The outermost layer: one span per request.

use http::{Request, Response};
use tonic::{Code, body::Body};
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::handler::{Handler, Rpc, when_done};
use crate::{
    auth::IDENTITY_HEADER,
    telemetry::{self, names},
};

#[derive(Clone, Debug)]
pub(super) struct Trace<S> {
    pub(super) target: &'static str,
    pub(super) inner: S,
}

impl<S: Handler> Handler for Trace<S> {
    async fn handle(&self, rpc: Rpc, request: Request<Body>) -> Response<Body> {
        let span = tracing::info_span!(
            "rpc",
            otel.name = rpc.method(),
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
            { names::RPC_SYSTEM } = "grpc",
            { names::RPC_METHOD } = rpc.method(),
            { names::TARGET } = self.target,
            { names::CALLER } = tracing::field::Empty,
            { names::CHANNEL } = tracing::field::Empty,
            { names::SESSION_ID } = tracing::field::Empty,
            { names::JOURNEY_ID } = tracing::field::Empty,
            { names::RPC_STATUS } = tracing::field::Empty,
        );
        // In this process the span is the caller's child already. From outside only another service of the mesh may
        // say which trace this belongs to.
        if !rpc.in_process && request.headers().contains_key(IDENTITY_HEADER) {
            drop(span.set_parent(telemetry::extract(request.headers())));
        }
        let response = self.inner.handle(rpc, request).instrument(span.clone()).await;
        when_done(rpc, response, move |code| {
            span.record(names::RPC_STATUS, names::code_name(code));
            if matches!(
                code,
                Code::Unknown
                    | Code::DeadlineExceeded
                    | Code::Unimplemented
                    | Code::Internal
                    | Code::Unavailable
                    | Code::DataLoss
            ) {
                span.record("otel.status_code", "ERROR");
            }
        })
    }
}
