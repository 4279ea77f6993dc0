//! How many calls, how long, with which outcome.

use std::{sync::LazyLock, time::Instant};

use http::{Request, Response};
use opentelemetry::{
    KeyValue,
    metrics::{Histogram, UpDownCounter},
};
use tonic::body::Body;

use super::handler::{Handler, Rpc, when_done};
use crate::telemetry::names;

struct Instruments {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
}

// The count of requests is the histogram's own count.
static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter(names::METER);
    Instruments {
        duration: meter
            .f64_histogram(names::SERVER_DURATION)
            .with_unit("s")
            .with_description("duration of calls, by method and status")
            .with_boundaries(names::DURATION_BOUNDARIES.to_vec())
            .build(),
        active: meter
            .i64_up_down_counter(names::SERVER_ACTIVE)
            .with_unit("{call}")
            .with_description("calls being answered")
            .build(),
    }
});

#[derive(Clone, Debug)]
pub(super) struct Metrics<S> {
    pub(super) target: &'static str,
    pub(super) inner: S,
}

impl<S: Handler> Handler for Metrics<S> {
    async fn handle(&self, rpc: Rpc, request: Request<Body>) -> Response<Body> {
        let started = Instant::now();
        let active = Active::begin(self.target, rpc.method());
        let response = self.inner.handle(rpc, request).await;
        when_done(rpc, response, move |code| {
            INSTRUMENTS.duration.record(
                started.elapsed().as_secs_f64(),
                &[
                    KeyValue::new(names::RPC_SYSTEM, "grpc"),
                    KeyValue::new(names::RPC_METHOD, active.method),
                    KeyValue::new(names::TARGET, active.target),
                    KeyValue::new(names::RPC_STATUS, names::code_name(code)),
                ],
            );
            drop(active);
        })
    }
}

/// Counts a call as active until dropped, also when the caller hangs up.
struct Active {
    target: &'static str,
    method: &'static str,
}

impl Active {
    fn begin(target: &'static str, method: &'static str) -> Self {
        let active = Self { target, method };
        INSTRUMENTS.active.add(1, &active.labels());
        active
    }

    fn labels(&self) -> [KeyValue; 2] {
        [KeyValue::new(names::RPC_METHOD, self.method), KeyValue::new(names::TARGET, self.target)]
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        INSTRUMENTS.active.add(-1, &self.labels());
    }
}
