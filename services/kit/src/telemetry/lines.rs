//! Log lines: for people on a terminal, as JSON elsewhere, always with the trace they belong to.

use std::fmt;

use opentelemetry::{Context, trace::TraceContextExt as _};
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::clock::Clock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lines(pub(super) Style);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let span = context.lookup_current().map_or("", |span| span.name());
        match self.0 {
            Style::Json => json(&mut line, span, event),
            Style::Text => {
                let level = *event.metadata().level();
                let colour = if line.has_ansi_escapes() { colour(level) } else { "" };
                let plain = if line.has_ansi_escapes() { "\x1b[0m" } else { "" };
                write!(line, "{} {colour}{level:>5}{plain} {}", Clock::System.now(), event.metadata().target())?;
                if !span.is_empty() {
                    write!(line, " {span}")?;
                }
                line.write_str(": ")?;
                context.format_fields(line.by_ref(), event)?;
                if let Some((trace, span)) = ids() {
                    write!(line, " trace_id={trace} span_id={span}")?;
                }
                writeln!(line)
            }
        }
    }
}

fn json(line: &mut Writer<'_>, span: &str, event: &Event<'_>) -> fmt::Result {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let mut text = |key: &str, value: String| drop(fields.0.insert(key.to_owned(), Value::String(value)));
    text("timestamp", Clock::System.now().to_string());
    text("level", event.metadata().level().to_string());
    text("target", event.metadata().target().to_owned());
    if !span.is_empty() {
        text("span", span.to_owned());
    }
    if let Some((trace, span)) = ids() {
        text("trace_id", trace);
        text("span_id", span);
    }
    let object = serde_json::to_string(&fields.0).map_err(|_| fmt::Error)?;
    writeln!(line, "{object}")
}

/// The ids of the span that the event lies in.
fn ids() -> Option<(String, String)> {
    let context = Context::current();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()))
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(style: Style) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
        let subscriber = tracing_subscriber::registry()
            .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")))
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(false)
                    .with_writer(move || writer.clone())
                    .event_format(Lines(style)),
            );
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("rpc").in_scope(|| tracing::warn!(count = 3, name = "a \"quote\"", "said \n it"));
            tracing::info!("outside");
        });
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_lines_carry_fields_and_trace_even_when_nothing_is_recorded() {
        let text = lines(Style::Json);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["count"], 3);
        assert_eq!(lines[0]["message"], "said \n it");
        assert_eq!(lines[0]["span"], "rpc");
        assert_eq!(lines[0]["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(lines[0]["span_id"].as_str().unwrap().len(), 16);
        assert!(lines[1].get("trace_id").is_none());
    }

    #[test]
    fn text_lines_carry_the_trace() {
        let text = lines(Style::Text);
        assert!(text.lines().next().unwrap().contains("WARN"), "{text}");
        assert_eq!(text.matches(" trace_id=").count(), 1, "{text}");
    }
}
