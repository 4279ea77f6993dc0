//! A service in another process: balanced, retried where that is harmless, and left alone while it does not answer.

use std::{
    sync::LazyLock,
    time::{Duration, Instant as StdInstant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header::HOST, request::Parts};
use http_body_util::{BodyExt as _, Full, Limited};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};
use tokio::time::Instant;
use tonic::{Code, body::Body};
use tracing::Instrument as _;

use super::{balance::Balanced, budget::Budget, circuit::Circuit};
use crate::{
    error::Fault,
    lifecycle::Lifecycle,
    server::{GRPC_TIMEOUT, MAX_REQUEST_BYTES, code_in, exceeded, refuse, timeout_text},
    telemetry::{self, names},
    tls::MutualTls,
};

/// How often a call is sent at the most.
const TRIES: u32 = 3;
/// The wait before the first retry; it doubles.
const BACKOFF: Duration = Duration::from_millis(20);
/// Left for the answer of the other side, whose deadline is this much earlier.
const ON_THE_WAY: Duration = Duration::from_millis(5);

/// Whoever says nothing for this long does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

struct Instruments {
    duration: Histogram<f64>,
    retries: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter(names::METER);
    Instruments {
        duration: meter
            .f64_histogram(names::CLIENT_DURATION)
            .with_unit("s")
            .with_description("duration of calls to other processes, retries included")
            .with_boundaries(names::DURATION_BOUNDARIES.to_vec())
            .build(),
        retries: meter
            .u64_counter(names::CLIENT_RETRIES)
            .with_unit("{call}")
            .with_description("calls that were sent again")
            .build(),
    }
});

#[derive(Debug)]
pub(super) struct Remote {
    target: String,
    replicas: Balanced,
    circuit: Circuit,
    budget: Budget,
}

impl Remote {
    pub(super) fn new(target: &str, uris: Vec<Uri>, tls: Option<MutualTls>, lifecycle: &Lifecycle) -> Self {
        let replicas = Balanced::new(target, uris, tls, lifecycle);
        Self { target: target.to_owned(), replicas, circuit: Circuit::new(), budget: Budget::new() }
    }

    pub(super) async fn send(
        &self,
        deadline: Option<Instant>,
        may_repeat: bool,
        mut request: Request<Body>,
    ) -> Response<Body> {
        let started = StdInstant::now();
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!(
            "call",
            otel.name = method,
            otel.kind = "client",
            { names::RPC_SYSTEM } = "grpc",
            { names::RPC_METHOD } = method,
            { names::TARGET } = self.target,
            { names::RPC_STATUS } = tracing::field::Empty,
        );
        // HTTP/2 names the host in the URI; a client's own Host header would contradict it.
        request.headers_mut().remove(HOST);
        span.in_scope(|| telemetry::inject(request.headers_mut()));
        let response = if may_repeat {
            self.repeat(deadline, request).instrument(span.clone()).await
        } else {
            self.once(deadline, request).instrument(span.clone()).await
        };
        let code = names::code_name(code_in(response.headers()).unwrap_or(Code::Ok));
        span.record(names::RPC_STATUS, code);
        INSTRUMENTS.duration.record(
            started.elapsed().as_secs_f64(),
            &[
                KeyValue::new(names::RPC_SYSTEM, "grpc"),
                KeyValue::new(names::TARGET, self.target.clone()),
                KeyValue::new(names::RPC_STATUS, code),
            ],
        );
        response
    }

    async fn repeat(&self, deadline: Option<Instant>, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        // The frame's five bytes come on top of the message.
        let body = match Limited::new(body, MAX_REQUEST_BYTES + 5).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return refuse(too_large()),
        };
        let mut wait = BACKOFF;
        for _ in 1..TRIES {
            let response = self.once(deadline, rebuild(&parts, &body)).await;
            let unavailable = code_in(response.headers()) == Some(Code::Unavailable);
            let in_time = deadline.is_none_or(|deadline| Instant::now() + wait < deadline);
            if !unavailable || !in_time || !self.budget.spend() {
                return response;
            }
            INSTRUMENTS.retries.add(1, &[KeyValue::new(names::TARGET, self.target.clone())]);
            tokio::time::sleep(wait.mul_f64(rand::random_range(0.5..1.5))).await;
            wait *= 2;
        }
        self.once(deadline, rebuild(&parts, &body)).await
    }

    async fn once(&self, deadline: Option<Instant>, mut request: Request<Body>) -> Response<Body> {
        if let Err(wait) = self.circuit.admit(Instant::now()) {
            return refuse(
                Fault::unavailable(format!("the service {} does not answer", self.target)).retry_after(wait),
            );
        }
        self.budget.earn();
        if let Some(deadline) = deadline {
            set_timeout(request.headers_mut(), deadline);
        }
        let sent = Instant::now();
        let call = self.replicas.send(request);
        let outcome = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, call).await,
            None => Ok(call.await),
        };
        let (response, arrived) = match outcome {
            Ok(Ok(response)) => (response, true),
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), service = self.target, "the call failed on its way");
                (refuse(Fault::unavailable(format!("the service {} does not answer", self.target))), false)
            }
            Err(_) => (refuse(exceeded()), true),
        };
        let in_time = sent.elapsed() < PATIENCE;
        match code_in(response.headers()) {
            // A service that says at once that something behind it is away has answered: the rest of it works, and each hop
            // that closed itself would keep the mesh away for longer than the one thing is.
            Some(Code::Unavailable) => self.circuit.record(Instant::now(), arrived && in_time),
            // A caller in a hurry says nothing about the service.
            Some(Code::DeadlineExceeded) if in_time => {}
            Some(Code::DeadlineExceeded) => self.circuit.record(Instant::now(), false),
            _ => self.circuit.record(Instant::now(), true),
        }
        response
    }
}

/// Tells the other side how much time is left, minus the way back.
fn set_timeout(headers: &mut HeaderMap, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    let told = left.checked_sub(ON_THE_WAY).unwrap_or(left);
    if let Ok(value) = HeaderValue::try_from(timeout_text(told)) {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

fn rebuild(parts: &Parts, body: &Bytes) -> Request<Body> {
    let mut request = Request::new(Body::new(Full::new(body.clone())));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.version_mut() = parts.version;
    *request.headers_mut() = parts.headers.clone();
    request
}

fn too_large() -> Fault {
    Fault::new(
        Code::ResourceExhausted,
        omnimesh_proto::common::v1::ErrorReason::MessageTooLarge,
        format!("the message is larger than {MAX_REQUEST_BYTES} bytes"),
    )
}

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
