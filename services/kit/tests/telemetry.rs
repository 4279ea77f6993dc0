//! What a process tells a collector of OpenTelemetry data, and how it ends when it is told twice. Each test starts a process of
//! its own, this binary again, because a process has one telemetry and one set of signals.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    env,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use omnimesh_kit::{
    auth::TokenKey,
    bus::Bus,
    call::Call,
    clock::Clock,
    config,
    inbox::{self, BoxError, Consumer, EventHandler},
    lifecycle::Lifecycle,
    links::{Addresses, Links},
    outbox,
    secrets::Secrets,
    server::{Server, ServerSettings},
    store::{Db, Migrations, Tx},
    telemetry::{self, names},
    testing::{self, Backend, DirectLog},
};
use omnimesh_proto::{
    common::v1::Actor,
    events::v1::{
        Event, EventsSinceRequest, EventsSinceResponse,
        event_log_service_client::EventLogServiceClient,
        event_log_service_server::{EventLogService, EventLogServiceServer},
    },
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
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    sync::Semaphore,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, service::Routes};

const METHOD: &str = "omnimesh.events.v1.EventLogService/EventsSince";
/// What a client must find in nobody's traces.
const CREDENTIAL: &str = "sesame-open-thyself";

#[derive(Clone, Debug, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    metrics: Arc<Mutex<BTreeSet<String>>>,
    // All that came, as text: to look for what must not be in it.
    text: Arc<Mutex<String>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        self.text.lock().unwrap().push_str(&format!("{request:?}"));
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let request = request.into_inner();
        self.text.lock().unwrap().push_str(&format!("{request:?}"));
        let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        let metrics = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
        self.metrics.lock().unwrap().extend(metrics);
        Ok(Response::new(Default::default()))
    }
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    match span.attributes.iter().find(|pair| pair.key == name)?.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// Runs one of the ignored tests below in a process of its own.
fn process(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]).kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_call_is_one_trace_and_what_follows_by_event_links_to_it() {
    let (collector, life) = (Collector::default(), Lifecycle::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .add_service(MetricsServiceServer::new(collector.clone()))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), life.token().cancelled_owned());
    life.spawn("collector", async { server.await.unwrap() });
    let output = process("calls").env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let spans = collector.spans.lock().unwrap().clone();
    let named = |name: &str, kind: SpanKind| -> Vec<&Span> {
        spans.iter().filter(|span| span.name == name && span.kind == i32::from(kind)).collect()
    };
    let [client] = named(METHOD, SpanKind::Client)[..] else { panic!("one span of the caller: {spans:#?}") };
    let [server] = named(METHOD, SpanKind::Server)[..] else { panic!("one span of the service: {spans:#?}") };
    assert!(client.parent_span_id.is_empty(), "the call begins the trace");
    assert_eq!(server.trace_id, client.trace_id);
    assert_eq!(server.parent_span_id, client.span_id);
    for span in [client, server] {
        for (name, value) in [
            (names::RPC_SYSTEM, "grpc"),
            (names::RPC_METHOD, METHOD),
            (names::TARGET, "orders"),
            (names::RPC_STATUS, "OK"),
        ] {
            assert_eq!(attribute(span, name).as_deref(), Some(value), "{name} of {span:#?}");
        }
    }
    assert_eq!(attribute(server, names::CALLER).as_deref(), Some("carts"));

    // Both events of the call, however many transactions they took.
    let consumed = named("consume orders", SpanKind::Consumer);
    assert_eq!(consumed.len(), 2, "{spans:#?}");
    for span in consumed {
        assert_ne!(span.trace_id, client.trace_id, "a consumer's trace is its own");
        let [link] = &span.links[..] else { panic!("one link: {span:#?}") };
        assert_eq!((&link.trace_id, &link.span_id), (&server.trace_id, &server.span_id));
        assert_eq!(attribute(span, names::EVENT_GROUP).as_deref(), Some("catalog"));
        assert_eq!(attribute(span, names::EVENT_TYPE).as_deref(), Some("omnimesh.common.v1.Actor"));
        assert_eq!(attribute(span, names::AGGREGATE_ID).as_deref(), Some("order"));
        assert!(attribute(span, names::EVENT_POSITION).is_some());
        let batch = spans.iter().find(|batch| batch.span_id == span.parent_span_id);
        if let Some(batch) = batch {
            assert_eq!(
                (batch.name.as_str(), attribute(batch, names::BATCH_COUNT).as_deref()),
                ("consume batch orders", Some("2"))
            );
        } else {
            assert!(span.parent_span_id.is_empty());
        }
    }

    let metrics = collector.metrics.lock().unwrap().clone();
    for name in [
        names::SERVER_DURATION,
        names::SERVER_ACTIVE,
        names::CLIENT_DURATION,
        names::OUTBOX_WAITING,
        names::INBOX_LAG,
        names::INBOX_PARKED,
    ] {
        assert!(metrics.contains(name), "{name} is not among {metrics:?}");
    }
    let text = collector.text.lock().unwrap().clone();
    assert!(text.contains("service.name") && text.contains("omnimesh-orders"), "the resource says which service it is");
    // "omi1." begins every identity token.
    for secret in [CREDENTIAL, "omi1.", "authorization", "omnimesh-identity"] {
        assert!(!text.contains(secret), "{secret} was exported");
    }
    assert!(life.shutdown(Duration::from_secs(10)).await);
}

const ORDERS: Migrations = Migrations { service: "orders", postgres: &[], sqlite: &[] };
const CATALOG: Migrations = Migrations { service: "catalog", postgres: &[], sqlite: &[] };

/// Appends two events when it is called.
struct Orders(Db);

#[tonic::async_trait]
impl EventLogService for Orders {
    async fn events_since(
        &self,
        request: Request<EventsSinceRequest>,
    ) -> Result<Response<EventsSinceResponse>, Status> {
        assert!(request.metadata().contains_key("authorization"), "the credential has its chance to be told");
        let call = Call::of(&request)?;
        let mut tx = self.0.begin().await.unwrap();
        for seq in 1..=2 {
            outbox::append(&mut tx, &call, "order", seq, &Actor::default()).await.unwrap();
        }
        tx.commit().await.unwrap();
        Ok(Response::new(Default::default()))
    }
}

struct Heard(Semaphore);

#[async_trait]
impl EventHandler for Heard {
    async fn handle(&self, _: &mut Tx, _: &Event) -> Result<(), BoxError> {
        self.0.add_permits(1);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process of another test"]
async fn calls() {
    let telemetry = telemetry::init(&config::Log::default(), "orders").unwrap();
    let (orders, catalog) = (testing::db(&ORDERS, Backend::Sqlite).await, testing::db(&CATALOG, Backend::Sqlite).await);
    let (life, bus) = (Lifecycle::new(), Bus::memory(10));
    let keys = TokenKey::new(&Secrets::from_root([7; 32]), Clock::System);
    let server = Server::new(ServerSettings::default(), keys.clone(), life.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let routes = Routes::new(EventLogServiceServer::new(Orders(orders.db.clone())));
    server.serve(listener, vec![server.stack("orders", routes)]);
    let links = Links::new(keys, Addresses::from([("orders".to_owned(), vec![address])]), life.clone());

    let heard = Arc::new(Heard(Semaphore::new(0)));
    life.spawn("relay", outbox::relay(orders.db.clone(), bus.clone(), life.token()));
    let log = Arc::new(DirectLog(vec![Arc::new(orders.db.clone())]));
    let consumer = Consumer { group: "catalog", producer: "orders", handler: heard.clone() };
    life.spawn("consumer", inbox::run(consumer, catalog.db.clone(), bus, log, life.token()));

    let mut client = EventLogServiceClient::new(links.of("carts").to("orders", &Call::system("carts")));
    let mut request = Request::new(EventsSinceRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {CREDENTIAL}").parse().unwrap());
    client.events_since(request).await.unwrap();
    drop(heard.0.acquire_many(2).await.unwrap());
    assert!(life.shutdown(Duration::from_secs(10)).await, "a task did not stop");
    telemetry.shutdown().await;
}

async fn until(lines: &mut Lines<BufReader<ChildStdout>>, wanted: &str) {
    let read = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.ends_with(wanted) {
                return;
            }
        }
        panic!("the process ended before it said {wanted}");
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect(wanted);
}

async fn terminate(process: &Child) {
    let id = process.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
}

#[tokio::test]
async fn a_second_signal_ends_what_does_not_stop() {
    let mut deaf = process("does_not_stop").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(deaf.stdout.take().unwrap()).lines();
    until(&mut lines, "ready").await;
    terminate(&deaf).await;
    until(&mut lines, "not ready").await;
    // A minute's grace: only the second signal ends it now.
    assert!(deaf.try_wait().unwrap().is_none(), "the first signal ended it");
    terminate(&deaf).await;
    let status = tokio::time::timeout(Duration::from_secs(20), deaf.wait()).await.expect("it ends at once").unwrap();
    assert!(status.success());
}

#[tokio::test]
#[ignore = "the process of another test"]
async fn does_not_stop() {
    let life = Lifecycle::new();
    life.spawn("deaf", std::future::pending());
    let mut ready = life.readiness();
    life.spawn("says", async move {
        while ready.changed().await.is_ok() {
            // After the line that the test harness has begun.
            println!("\n{}", if *ready.borrow() { "ready" } else { "not ready" });
        }
    });
    let minute = Duration::from_secs(60);
    let ends = life.run_until_signal(minute, minute);
    let begins = async {
        // The handlers are installed when the future is first polled: it comes first below.
        life.set_ready();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        all = ends => assert!(!all.unwrap(), "nothing was cut"),
        () = begins => {}
    }
}
