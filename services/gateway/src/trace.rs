//! The root of a call's trace.

use http::{HeaderMap, HeaderValue};
use omnimesh_kit::{
    auth::Identity,
    telemetry::{self, names},
};
use tonic::Code;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::protocol::Protocol;

/// Tells a caller which trace to quote.
pub(crate) const TRACE_ID_HEADER: &str = "omnimesh-trace-id";

/// The span of a call. Where the client's own trace is trusted it goes on, else the span is a new root that links to it.
pub(crate) fn span(method: &'static str, protocol: Protocol, headers: &HeaderMap, trusted: bool) -> Span {
    let span = tracing::info_span!(
        parent: None,
        "gateway",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        { names::RPC_SYSTEM } = protocol.name(),
        { names::RPC_METHOD } = method,
        { names::TARGET } = crate::NAME,
        { names::CHANNEL } = Empty,
        { names::SESSION_ID } = Empty,
        { names::JOURNEY_ID } = Empty,
        { names::RPC_STATUS } = Empty,
    );
    if trusted {
        // Without an exporter there is nothing to continue.
        drop(span.set_parent(telemetry::extract(headers)));
    } else if let Some(theirs) = headers.get("traceparent").and_then(|value| value.to_str().ok()) {
        telemetry::link_to(&span, theirs);
    }
    span
}

/// Who calls, once that is known.
pub(crate) fn describe(identity: &Identity) {
    let span = Span::current();
    span.record(names::CHANNEL, identity.channel().as_str_name());
    if let Some(session) = &identity.session {
        span.record(names::SESSION_ID, tracing::field::display(&session.id));
        span.record(names::JOURNEY_ID, tracing::field::display(&session.journey));
    }
}

/// How the call ended.
pub(crate) fn ended(span: &Span, code: Code) {
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
}

/// The id of the current trace, if there is one.
pub(crate) fn id() -> Option<HeaderValue> {
    let parent = telemetry::current_traceparent();
    HeaderValue::try_from(parent.split('-').nth(1)?).ok()
}
