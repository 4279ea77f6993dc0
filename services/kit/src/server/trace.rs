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

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use opentelemetry::trace::{Status as SpanStatus, TracerProvider as _};
    use opentelemetry_sdk::{
        error::OTelSdkResult,
        trace::{SdkTracerProvider, Span, SpanData, SpanProcessor},
    };
    use tracing::instrument::WithSubscriber as _;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::{error::Fault, server::handler::refuse};

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Kept {
        fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    #[derive(Clone)]
    struct Fails;

    impl Handler for Fails {
        async fn handle(&self, _: Rpc, _: Request<Body>) -> Response<Body> {
            tracing::Span::current().record(names::CALLER, "carts");
            refuse(Fault::unavailable("not now").retry_after(Duration::from_secs(1)))
        }
    }

    #[tokio::test]
    async fn a_span_says_what_was_called_and_how_it_ended() {
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder().with_span_processor(kept.clone()).build();
        let subscriber =
            tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
        let rpc = Rpc {
            rule: crate::auth::rule("/omnimesh.events.v1.EventLogService/EventsSince"),
            in_process: false,
            deadline: None,
        };
        let from_mesh = Request::builder().header("traceparent", PARENT).header(IDENTITY_HEADER, "x");
        let from_outside = Request::builder().header("traceparent", PARENT);
        async {
            for request in [from_mesh, from_outside] {
                Trace { target: "orders", inner: Fails }.handle(rpc, request.body(Body::empty()).unwrap()).await;
            }
        }
        .with_subscriber(subscriber)
        .await;
        let spans = kept.0.lock().unwrap();
        let span = &spans[0];
        assert_eq!(span.name, "omnimesh.events.v1.EventLogService/EventsSince");
        let value = |name: &str| {
            span.attributes.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.to_string())
        };
        assert_eq!(value(names::RPC_STATUS).as_deref(), Some("UNAVAILABLE"));
        assert_eq!(value(names::TARGET).as_deref(), Some("orders"));
        assert_eq!(value(names::CALLER).as_deref(), Some("carts"));
        assert!(matches!(span.status, SpanStatus::Error { .. }));
        assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(spans[1].span_context.trace_id(), span.span_context.trace_id());
    }
}
