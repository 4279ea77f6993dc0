//! Sets up log lines, traces and metrics for the process.

use std::io::{IsTerminal as _, stderr};

use opentelemetry::{KeyValue, global, trace::TracerProvider as _};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter};
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::ParseError, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use super::{
    lines::{Lines, Style},
    names,
};
use crate::{
    clock::Clock,
    config::{Log, LogFormat},
    ids::uuid_v7,
};

/// The environment variable with the log filter; it wins over the setting.
const FILTER_VARIABLE: &str = "OMNIMESH_LOG";
/// The endpoint of the OpenTelemetry collector: its presence turns the export on.
const ENDPOINT_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// What libraries say is rarely of use, and what the exporter's own connection says would be exported in turn.
const QUIET: &str = "h2=warn,hyper=warn,hyper_util=warn,tonic=warn,tower=warn,opentelemetry=warn,\
                     opentelemetry_sdk=warn,opentelemetry_otlp=warn,sqlx=warn,rustls=warn";

/// Why telemetry can't start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter can't be read.
    #[error("the log filter is not a list of directives such as info,omnimesh_carts=debug: {0}")]
    Filter(#[from] ParseError),
    /// The exporter can't be built.
    #[error("the OpenTelemetry exporter can't be built: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// The process has a subscriber already.
    #[error("telemetry was started twice")]
    Twice,
}

/// The process's telemetry: keep it until the end, then [`Self::shutdown`].
#[derive(Debug)]
pub struct Telemetry {
    traces: SdkTracerProvider,
    metrics: Option<SdkMeterProvider>,
}

impl Telemetry {
    /// Sends what is still held back. To be called last.
    pub async fn shutdown(self) {
        // The exporters block their thread until the runtime has sent the data.
        let flushed = tokio::task::spawn_blocking(move || {
            let metrics = self.metrics.map_or(Ok(()), |metrics| metrics.shutdown());
            self.traces.shutdown().and(metrics)
        });
        if let Ok(Err(error)) = flushed.await {
            tracing::warn!(%error, "telemetry was not all sent");
        }
    }
}

/// Starts telemetry of the target `target` (`all` for the whole mesh). To be called inside of the runtime, once.
///
/// # Errors
/// A filter or an endpoint that can't be read, or a second call.
pub fn init(settings: &Log, target: &str) -> Result<Telemetry, TelemetryError> {
    let service = if target == "all" { "omnimesh".to_owned() } else { format!("omnimesh-{target}") };
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", uuid_v7(Clock::System.now()).to_string()))
        .build();
    let exports = std::env::var(ENDPOINT_VARIABLE).is_ok_and(|endpoint| !endpoint.is_empty());
    let telemetry = if exports {
        let spans = SpanExporter::builder().with_tonic().build()?;
        let points = MetricExporter::builder().with_tonic().build()?;
        let metrics =
            SdkMeterProvider::builder().with_periodic_exporter(points).with_resource(resource.clone()).build();
        global::set_meter_provider(metrics.clone());
        // The sampler is the SDK's own: OTEL_TRACES_SAMPLER(_ARG), by default all, as the parent says.
        let traces = SdkTracerProvider::builder().with_batch_exporter(spans).with_resource(resource).build();
        Telemetry { traces, metrics: Some(metrics) }
    } else {
        // Trace ids are still made, for log lines and events, but nothing is recorded.
        let traces = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).with_resource(resource).build();
        Telemetry { traces, metrics: None }
    };
    global::set_text_map_propagator(TraceContextPropagator::new());

    let style = match settings.format {
        LogFormat::Text => Style::Text,
        LogFormat::Json => Style::Json,
        LogFormat::Auto if stderr().is_terminal() => Style::Text,
        LogFormat::Auto => Style::Json,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .event_format(Lines(style));
    let spans = tracing_opentelemetry::layer()
        .with_tracer(telemetry.traces.tracer(names::METER))
        .with_location(false)
        .with_threads(false);
    tracing_subscriber::registry()
        .with(filter(settings)?)
        // Spans first: the lines carry the ids that they get.
        .with(spans.boxed())
        .with(lines)
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    log_panics();
    Ok(telemetry)
}

fn filter(settings: &Log) -> Result<EnvFilter, ParseError> {
    let asked = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| settings.filter.clone());
    // What comes later wins, so that the quiet ones can be asked for.
    EnvFilter::try_new(format!("info,{QUIET},{asked}"))
}

/// Panics become log lines with a trace id, not text on stderr.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = crate::lifecycle::panic_text(panic.payload());
        tracing::error!(panic = text, location, "panicked");
    }));
}
