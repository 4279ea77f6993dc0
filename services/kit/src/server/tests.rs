//! The stack and the links around one small service, in this process and over TCP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::ErrorReason,
    events::v1::{
        Event, EventsSinceRequest, EventsSinceResponse,
        event_log_service_client::EventLogServiceClient,
        event_log_service_server::{EventLogService, EventLogServiceServer},
    },
};
use tonic::{Code, Status, body::Body, service::Routes};
use tonic_types::StatusExt as _;
use tower::{Service as _, ServiceExt as _};

use super::*;
use crate::{
    auth::{Caller, IDENTITY_HEADER, Identity},
    call::Call,
    clock::Clock,
    error::Fault,
    links::{Addresses, Links},
    secrets::Secrets,
};

const PATH: &str = "/omnimesh.events.v1.EventLogService/EventsSince";

// What the service does is asked by the request's partition.
const ANSWER: u32 = 0;
const WAIT: u32 = 1;
const PANIC: u32 = 2;
const REFUSE: u32 = 3;
const FAIL_ONCE: u32 = 4;
const FAIL: u32 = 5;

#[derive(Clone, Default)]
struct Probe {
    calls: Arc<AtomicU32>,
}

#[tonic::async_trait]
impl EventLogService for Probe {
    async fn events_since(
        &self,
        request: tonic::Request<EventsSinceRequest>,
    ) -> Result<tonic::Response<EventsSinceResponse>, Status> {
        let call = Call::of(&request)?;
        let before = self.calls.fetch_add(1, Ordering::SeqCst);
        match request.get_ref().partition {
            WAIT => std::future::pending().await,
            PANIC => panic!("the secret of life"),
            REFUSE => Err(Fault::invalid("position", "0 or more").into()),
            FAIL_ONCE if before == 0 => Err(Fault::unavailable("not now").into()),
            FAIL => Err(Fault::unavailable("not now").into()),
            _ => {
                let left = call.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                let event = Event {
                    producer: call.caller.service.clone().unwrap_or_default(),
                    aggregate_id: call.identity().subject.clone(),
                    position: i64::try_from(left.map_or(0, |left| left.as_micros())).unwrap(),
                    ..Event::default()
                };
                Ok(tonic::Response::new(EventsSinceResponse { events: vec![event] }))
            }
        }
    }
}

struct Mesh {
    lifecycle: Lifecycle,
    probe: Probe,
    stack: Stack,
    local: Links,
    remote: Links,
}

async fn mesh() -> Mesh {
    let lifecycle = Lifecycle::new();
    let keys = TokenKey::new(&Secrets::from_root([7; 32]), Clock::System);
    let server = Server::new(ServerSettings::default(), keys.clone(), lifecycle.clone());
    let probe = Probe::default();
    let stack = server.stack("orders", Routes::new(EventLogServiceServer::new(probe.clone())));
    let local = Links::new(keys.clone(), Addresses::new(), lifecycle.clone());
    let early = local.of("carts");
    local.register_local(stack.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    server.serve(listener, vec![stack.clone()]);
    lifecycle.set_ready();
    let remote = Links::new(keys, Addresses::from([("orders".to_owned(), vec![uri])]), lifecycle.clone()).of("carts");
    Mesh { lifecycle, probe, stack, local: early, remote }
}

fn ask(partition: u32) -> tonic::Request<EventsSinceRequest> {
    tonic::Request::new(EventsSinceRequest { partition, ..EventsSinceRequest::default() })
}

async fn send(links: &Links, request: tonic::Request<EventsSinceRequest>) -> Result<Event, Status> {
    let link = links.to("orders", &Call::system("carts"));
    let response = EventLogServiceClient::new(link).events_since(request).await?;
    Ok(response.into_inner().events.remove(0))
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// A raw request, as the gateway forwards it.
fn raw(message: &[u8]) -> Request<Body> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    Request::post(format!("http://client.example{PATH}"))
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::from(frame)))
        .unwrap()
}

async fn status_of(response: Response<Body>) -> Status {
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    let trailers = response.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
    Status::from_header_map(&trailers).unwrap()
}

fn customer() -> Caller {
    let mut identity = Identity::system("nobody");
    identity.audience = Audience::Customer.into();
    Caller { identity, service: None }
}

fn from_orders() -> Caller {
    Caller { identity: Identity::system("orders"), service: Some("orders".into()) }
}

#[tokio::test]
async fn a_call_carries_who_calls_and_until_when_both_ways() {
    let mesh = mesh().await;
    for links in [&mesh.local, &mesh.remote] {
        let event = send(links, ask(ANSWER)).await.unwrap();
        assert_eq!((event.producer.as_str(), event.aggregate_id.as_str()), ("carts", "system:carts"));
        assert!((5_000_000..=10_000_000).contains(&event.position), "the default deadline, not {}", event.position);

        let mut request = ask(ANSWER);
        request.set_timeout(Duration::from_secs(3));
        let left = send(links, request).await.unwrap().position;
        assert!((1_000_000..3_000_000).contains(&left), "{left}");

        let mut call = Call::system("carts");
        call.deadline = Some(Instant::now() + Duration::from_secs(2));
        let link = links.to("orders", &call);
        let mut request = ask(ANSWER);
        request.set_timeout(Duration::from_secs(60));
        let reply = EventLogServiceClient::new(link).events_since(request).await.unwrap().into_inner();
        assert!(reply.events[0].position < 2_000_000, "a call never outlives the one that it is made for");
    }
}

#[tokio::test]
async fn errors_are_the_same_both_ways() {
    let mesh = mesh().await;
    for (partition, code, because) in [
        (REFUSE, Code::InvalidArgument, ErrorReason::InvalidRequest),
        (PANIC, Code::Internal, ErrorReason::Internal),
        (FAIL, Code::Unavailable, ErrorReason::Unavailable),
        (WAIT, Code::DeadlineExceeded, ErrorReason::DeadlineExceeded),
    ] {
        let mut seen = Vec::new();
        for links in [&mesh.local, &mesh.remote] {
            let mut request = ask(partition);
            if partition == WAIT {
                request.set_timeout(Duration::from_millis(200));
            }
            let started = Instant::now();
            let status = send(links, request).await.unwrap_err();
            assert!(started.elapsed() < Duration::from_secs(5));
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (code, crate::error::reason_name(because)),
                "{status}"
            );
            assert!(!status.message().contains("secret"), "{status}");
            seen.push((status.message().to_owned(), status.details().to_vec()));
        }
        assert_eq!(seen[0], seen[1]);
    }
    // It lives.
    assert!(send(&mesh.local, ask(ANSWER)).await.is_ok());
    assert!(send(&mesh.remote, ask(ANSWER)).await.is_ok());
}

#[tokio::test]
async fn what_a_client_says_about_itself_is_ignored() {
    let mesh = mesh().await;
    let forged =
        TokenKey::new(&Secrets::from_root([7; 32]), Clock::System).issue(&from_orders(), "orders").await.unwrap();
    for links in [&mesh.local, &mesh.remote] {
        // Even a token that would be good does not come from outside.
        let mut request = raw(&[]);
        request.headers_mut().insert(IDENTITY_HEADER, forged.clone());
        request.headers_mut().insert("omnimesh-target", "sessions".parse().unwrap());
        let status = status_of(links.forward("orders", customer(), request).await).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "AUDIENCE_DENIED"), "{status}");
        let status = status_of(links.forward("orders", from_orders(), raw(&[])).await).await;
        assert_eq!(status.code(), Code::Ok, "{status}");
    }
    assert_eq!(mesh.probe.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_socket_trusts_the_token_alone() {
    let mesh = mesh().await;
    let mut dispatch = host::Dispatch::of(vec![mesh.stack.clone()]);
    let mut request = raw(&[]);
    request.headers_mut().insert("omnimesh-target", "orders".parse().unwrap());
    request.extensions_mut().insert(InProcess(from_orders()));
    request.extensions_mut().insert(Call::system("orders"));
    let status = status_of(dispatch.call(request).await.unwrap()).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIAL_MISSING"));

    // A call's context is not taken over from elsewhere either.
    let mut request = raw(&[]);
    request.extensions_mut().insert(Call::system("orders"));
    let status = status_of(mesh.stack.clone().oneshot(request).await.unwrap()).await;
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(mesh.probe.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_has_no_rule_is_denied() {
    let mesh = mesh().await;
    for links in [&mesh.local, &mesh.remote] {
        let mut request = raw(&[]);
        *request.uri_mut() = "http://x/omnimesh.events.v1.EventLogService/Everything".parse().unwrap();
        let status = status_of(links.forward("orders", from_orders(), request).await).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unimplemented, "UNKNOWN_METHOD"), "{status}");
    }
}

#[tokio::test]
async fn unreadable_requests_get_clear_answers() {
    let mesh = mesh().await;
    for links in [&mesh.local, &mesh.remote] {
        let status = status_of(links.forward("orders", from_orders(), raw(&[0xff; 7])).await).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"), "{status}");
        let large = vec![0; MAX_REQUEST_BYTES + 1];
        let status = status_of(links.forward("orders", from_orders(), raw(&large)).await).await;
        let wanted = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
        assert_eq!((status.code(), reason(&status).as_str()), wanted, "{status}");
    }
}

#[tokio::test]
async fn only_idempotent_calls_are_sent_again() {
    let mesh = mesh().await;
    let call = Call::system("carts");
    let status = send(&mesh.remote, ask(FAIL_ONCE)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(mesh.probe.calls.swap(0, Ordering::SeqCst), 1);

    let mut again = EventLogServiceClient::new(mesh.remote.to("orders", &call).idempotent());
    again.events_since(ask(FAIL_ONCE)).await.unwrap();
    assert_eq!(mesh.probe.calls.swap(0, Ordering::SeqCst), 2);

    again.events_since(ask(REFUSE)).await.unwrap_err();
    assert_eq!(mesh.probe.calls.swap(0, Ordering::SeqCst), 1, "a refusal is an answer");

    let status = again.events_since(ask(FAIL)).await.unwrap_err();
    assert_eq!(reason(&status), "UNAVAILABLE");
    assert_eq!(mesh.probe.calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_left_alone() {
    let mesh = mesh().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let uri = format!("http://localhost:{}", closed.port()).parse().unwrap();
    let keys = TokenKey::new(&Secrets::from_root([7; 32]), Clock::System);
    let links = Links::new(keys.clone(), Addresses::from([("orders".to_owned(), vec![uri])]), mesh.lifecycle.clone());
    let links = links.of("carts");
    let calls = futures::future::join_all((0..20).map(|_| send(&links, ask(ANSWER)))).await;
    assert!(calls.into_iter().all(|answer| answer.unwrap_err().code() == Code::Unavailable));
    let status = send(&links, ask(ANSWER)).await.unwrap_err();
    assert!(status.get_details_retry_info().unwrap().retry_delay.unwrap() <= Duration::from_secs(1), "{status}");

    // It is back: the first call that may try finds out.
    let server = Server::new(ServerSettings::default(), keys, mesh.lifecycle.clone());
    server.serve(tokio::net::TcpListener::bind(closed).await.unwrap(), vec![mesh.stack.clone()]);
    let answered = async {
        while send(&links, ask(ANSWER)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answered).await.expect("the circuit closes");
}

#[tokio::test]
async fn a_service_that_says_it_can_not_has_answered() {
    let mesh = mesh().await;
    for _ in 0..50 {
        assert_eq!(send(&mesh.remote, ask(FAIL)).await.unwrap_err().code(), Code::Unavailable);
    }
    assert_eq!(mesh.probe.calls.load(Ordering::SeqCst), 50, "what else it does goes on");
    send(&mesh.remote, ask(ANSWER)).await.unwrap();
}

#[tokio::test]
async fn a_process_that_is_gone_is_unavailable() {
    let lifecycle = Lifecycle::new();
    let keys = TokenKey::new(&Secrets::from_root([7; 32]), Clock::System);
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let uri = format!("http://{free}").parse().unwrap();
    let links = Links::new(keys, Addresses::from([("orders".to_owned(), vec![uri])]), lifecycle);
    let status = send(&links.of("carts"), ask(ANSWER)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "UNAVAILABLE"), "{status}");
    let status = EventLogServiceClient::new(links.to("nowhere", &Call::system("carts"))).events_since(ask(0)).await;
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn who_comes_to_a_full_process_is_refused_and_what_it_calls_itself_is_not() {
    let lifecycle = Lifecycle::new();
    let keys = TokenKey::new(&Secrets::from_root([7; 32]), Clock::System);
    let settings = ServerSettings { max_concurrent_calls: 2, ..ServerSettings::default() };
    let server = Server::new(settings, keys.clone(), lifecycle.clone());
    let probe = Probe::default();
    let stack = server.stack("orders", Routes::new(EventLogServiceServer::new(probe.clone())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    server.serve(listener, vec![stack.clone()]);
    let local = Links::new(keys.clone(), Addresses::new(), lifecycle.clone()).of("carts");
    local.register_local(stack);
    let links = Links::new(keys, Addresses::from([("orders".to_owned(), vec![uri])]), lifecycle).of("carts");
    let mut waiting = [Box::pin(send(&links, ask(WAIT))), Box::pin(send(&links, ask(WAIT)))];
    while probe.calls.load(Ordering::SeqCst) < 2 {
        for call in &mut waiting {
            assert!(futures::poll!(call.as_mut()).is_pending());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let status = send(&links, ask(ANSWER)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    assert!(status.get_details_retry_info().is_some());
    assert!(send(&local, ask(ANSWER)).await.is_ok());
    drop(waiting);
    // The other side hears of it a moment later.
    while send(&links, ask(ANSWER)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A service of two processes, one of which is told to stop while it is called all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_fails_no_call_while_another_is_there() {
    let keys = TokenKey::new(&Secrets::from_root([7; 32]), Clock::System);
    let here = Lifecycle::new();
    let (mut uris, mut replicas) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (life, probe) = (Lifecycle::new(), Probe::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        uris.push(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
        let server = Server::new(ServerSettings::default(), keys.clone(), life.clone());
        server.serve(listener, vec![server.stack("orders", Routes::new(EventLogServiceServer::new(probe.clone())))]);
        replicas.push((life, probe));
    }
    let links = Links::new(keys, Addresses::from([("orders".to_owned(), uris)]), here.clone()).of("carts");
    let calls = |replica: usize| replicas[replica].1.calls.load(Ordering::SeqCst);
    let done = tokio_util::sync::CancellationToken::new();
    // None of these is sent twice.
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (links, done) = (links.clone(), done.clone());
        callers.spawn(async move {
            let mut failed = Vec::new();
            while !done.is_cancelled() {
                let refused = send(&links, ask(REFUSE)).await.unwrap_err();
                if refused.code() != Code::InvalidArgument {
                    failed.push(refused);
                }
            }
            failed
        });
    }
    while calls(0) < 200 || calls(1) < 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(replicas[0].0.shutdown(Duration::from_secs(5)).await, "it does not drain");
    let (stopped, other) = (calls(0), calls(1));
    while calls(1) < other + 500 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    done.cancel();
    for failed in callers.join_all().await {
        assert!(failed.is_empty(), "{failed:?}");
    }
    assert_eq!(calls(0), stopped);
}

#[tokio::test]
async fn health_follows_readiness_and_the_listener_drains() {
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    let lifecycle = Lifecycle::new();
    let keys = TokenKey::new(&Secrets::from_root([7; 32]), Clock::System);
    let server = Server::new(ServerSettings::default(), keys, lifecycle.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    server.serve(listener, vec![server.stack("orders", Routes::new(EventLogServiceServer::new(Probe::default())))]);
    let channel = tonic::transport::Endpoint::from_shared(uri).unwrap().connect_lazy();
    let mut client = HealthClient::new(channel);
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let mut updates = client.watch(ask("orders")).await.unwrap().into_inner();
    loop {
        // The name is unknown (3) until the task has named it.
        let status = updates.message().await.unwrap().unwrap().status;
        if status == 2 {
            break;
        }
        assert_eq!(status, 3);
    }
    lifecycle.set_ready();
    assert_eq!(updates.message().await.unwrap().unwrap().status, 1);
    drop(updates);
    drop(client);
    assert!(lifecycle.shutdown(Duration::from_secs(5)).await, "the listener drains");
}

#[tokio::test]
async fn everything_ends_with_the_lifecycle() {
    let mesh = mesh().await;
    assert!(send(&mesh.remote, ask(ANSWER)).await.is_ok());
    drop((mesh.remote, mesh.local));
    assert!(mesh.lifecycle.shutdown(Duration::from_secs(10)).await);
}

/// Not a claim about speed, but about the way: a direct call is far cheaper than a socket. Run with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn throughput() {
    let mesh = mesh().await;
    for (name, links, calls) in [("in process", &mesh.local, 20_000_u32), ("loopback", &mesh.remote, 4_000)] {
        let started = Instant::now();
        for _ in 0..calls {
            send(links, ask(ANSWER)).await.unwrap();
        }
        println!("{name}: {:?} a call", started.elapsed() / calls);
    }
}
