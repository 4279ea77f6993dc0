//! A collector of OpenTelemetry data that keeps spans for tests to look at.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    trace::v1::Span,
};
use tokio::task::JoinSet;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

/// A collector that runs as long as it is kept.
#[derive(Debug)]
pub struct Collector {
    kept: Kept,
    address: SocketAddr,
    _server: JoinSet<()>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    spans: Arc<Mutex<Vec<Span>>>,
    // All that came, as text: to look for what must not be in it.
    text: Arc<Mutex<String>>,
}

impl Collector {
    /// Starts on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Kept::default();
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(kept.clone()))
            .add_service(MetricsServiceServer::new(kept.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        let mut tasks = JoinSet::new();
        tasks.spawn(async { server.await.unwrap() });
        Self { kept, address, _server: tasks }
    }

    /// Where it listens: the value of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans that came so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.kept.spans.lock().unwrap().clone()
    }

    /// All that came so far, as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.kept.text.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        self.text.lock().unwrap().push_str(&format!("{request:?}\n"));
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Kept {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.text.lock().unwrap().push_str(&format!("{:?}\n", request.into_inner()));
        Ok(Response::new(Default::default()))
    }
}

/// An id as people write it.
#[must_use]
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
