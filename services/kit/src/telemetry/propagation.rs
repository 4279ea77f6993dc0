//! Trace context across processes and across time, in the W3C form.

use std::{collections::HashMap, sync::LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static W3C: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

const TRACEPARENT: &str = "traceparent";

/// The trace context that headers carry; an empty one if they carry none.
#[must_use]
pub fn extract(headers: &HeaderMap) -> Context {
    W3C.extract_with_context(&Context::new(), &FromHeaders(headers))
}

/// Puts the current span's context into headers.
pub fn inject(headers: &mut HeaderMap) {
    W3C.inject_context(&Span::current().context(), &mut IntoHeaders(headers));
}

/// The current span as a W3C traceparent; empty outside of any trace.
#[must_use]
pub fn current_traceparent() -> String {
    let mut carrier = HashMap::new();
    W3C.inject_context(&Span::current().context(), &mut carrier);
    carrier.remove(TRACEPARENT).unwrap_or_default()
}

/// Links `span` to the span that a traceparent names: work that follows from it, in a trace of its own. To be called
/// before the span is entered. A malformed traceparent links to nothing.
pub fn link_to(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let linked = W3C.extract_with_context(&Context::new(), &carrier).span().span_context().clone();
    if linked.is_valid() {
        span.add_link(linked);
    }
}

struct FromHeaders<'a>(&'a HeaderMap);

impl Extractor for FromHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct IntoHeaders<'a>(&'a mut HeaderMap);

impl Injector for IntoHeaders<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
