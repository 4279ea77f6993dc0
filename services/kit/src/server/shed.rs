//! One limit on concurrent calls for the whole process: the less a call matters, the earlier it is refused.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use omnimesh_proto::{access::v1::Criticality, common::v1::ErrorReason};
use opentelemetry::{KeyValue, metrics::Counter};
use tonic::{Code, body::Body};

use super::handler::{Handler, Rpc, refuse};
use crate::{error::Fault, telemetry::names};

static SHED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    opentelemetry::global::meter(names::METER)
        .u64_counter(names::SHED)
        .with_unit("{call}")
        .with_description("calls refused under overload")
        .build()
});

/// When a refused caller may come back.
const COME_BACK: Duration = Duration::from_secs(1);

/// The process's room for calls. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Room {
    limit: usize,
    taken: Arc<AtomicUsize>,
}

impl Room {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), taken: Arc::default() }
    }

    /// A place for a call of that criticality, given back when dropped.
    fn enter(&self, criticality: Criticality) -> Option<Place> {
        let percent = match criticality {
            Criticality::Batch => 50,
            Criticality::Unspecified | Criticality::Read => 75,
            Criticality::Cart => 90,
            Criticality::Checkout => 100,
        };
        let share = (self.limit.saturating_mul(percent) / 100).max(1);
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < share).then_some(taken + 1))
            .ok()
            .map(|_| Place(self.taken.clone()))
    }
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Clone, Debug)]
pub(super) struct LoadShed<S> {
    pub(super) room: Room,
    pub(super) inner: S,
}

impl<S: Handler> Handler for LoadShed<S> {
    async fn handle(&self, rpc: Rpc, request: Request<Body>) -> Response<Body> {
        let criticality = rpc.rule.map_or(Criticality::Batch, |rule| rule.criticality);
        // The place is kept until the answer begins: a stream that stays open for hours takes no room.
        let Some(_place) = self.room.enter(criticality) else {
            SHED.add(1, &[KeyValue::new(names::RPC_METHOD, rpc.method())]);
            let fault = Fault::new(Code::ResourceExhausted, ErrorReason::Overloaded, "too much load at the moment");
            return refuse(fault.retry_after(COME_BACK));
        };
        self.inner.handle(rpc, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_it_matters_the_earlier_it_is_shed() {
        let room = Room::new(100);
        let mut places = Vec::new();
        let mut fill = |criticality| {
            let before = places.len();
            while let Some(place) = room.enter(criticality) {
                places.push(place);
            }
            (before, places.len())
        };
        assert_eq!(fill(Criticality::Batch), (0, 50));
        assert_eq!(fill(Criticality::Read), (50, 75));
        assert_eq!(fill(Criticality::Batch), (75, 75));
        assert_eq!(fill(Criticality::Cart), (75, 90));
        assert_eq!(fill(Criticality::Checkout), (90, 100));
        drop(places);
        assert!(room.enter(Criticality::Batch).is_some());
    }
}
