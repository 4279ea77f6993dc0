//! How many calls a process handles at the same time: as many as it can without making them wait for each other.
//!
//! The limit follows what calls take. What each RPC takes in calm is known; when calls take several times as long, there
//! are too many of them, and the limit falls; while they don't and there is no place left, it rises (additive increase,
//! multiplicative decrease, as TCP does). So nobody has to guess what a machine can do, and a store that becomes slow
//! counts too. Within the limit the less a call matters, the earlier it is refused.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use omnimesh_proto::{access::v1::Criticality, common::v1::ErrorReason};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge},
};
use tokio::time::Instant;
use tonic::Code;

use crate::{auth::RpcRule, error::Fault, telemetry::names};

/// When a refused caller may come back.
const COME_BACK: Duration = Duration::from_secs(1);

/// What calls may take, in times of what they take in calm. On a machine that is busy for nine tenths they take ten times
/// as long (processor sharing), at two thirds three times.
const STRETCH: u64 = 6;
/// The limit never falls below so many calls per processor: they wait for stores most of their time, and callers by the
/// dozen are no overload.
const LEAST_PER_CORE: usize = 128;
/// Where the limit begins, in times of the least.
const START: usize = 4;
/// The limit is thought over so often,
const WINDOW: Duration = Duration::from_millis(100);
/// if so many calls were done,
const ENOUGH: u32 = 20;
/// or, where calls are rare, after so long.
const RARE: Duration = Duration::from_secs(2);
/// It falls at most by so many thousandths at once.
const FALL: u64 = 300;
/// It rises by this part of itself.
const RISE: usize = 16;
/// One in so many calls counts in what an RPC takes in calm.
const MEMORY: u64 = 64;
/// What is calm is learned anew, by thousandths a window, while even the fewest calls take too long: something became
/// slower for good.
const RELEARN: u64 = 5;

struct Instruments {
    shed: Counter<u64>,
    limit: Gauge<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter(names::METER);
    Instruments {
        shed: meter
            .u64_counter(names::SHED)
            .with_unit("{call}")
            .with_description("calls refused under overload")
            .build(),
        limit: meter
            .u64_gauge(names::CONCURRENCY_LIMIT)
            .with_unit("{call}")
            .with_description("calls that are handled at the same time at the most")
            .build(),
    }
});

/// The process's room for calls. Clones share it.
#[derive(Clone, Debug)]
pub struct Room {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    least: usize,
    most: usize,
    limit: AtomicUsize,
    taken: AtomicUsize,
    seen: Mutex<Seen>,
}

/// What was seen of finished calls.
#[derive(Debug)]
struct Seen {
    // Microseconds that each RPC takes while there are few.
    calm: HashMap<&'static str, u64>,
    since: Instant,
    calls: u32,
    took: u64,
    expected: u64,
    // Whether a call more would have been welcome.
    was_full: bool,
}

/// A call's place, given back when dropped.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    rule: Option<&'static RpcRule>,
    entered: Instant,
    others: usize,
}

impl Room {
    /// A room for at most `most` calls.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::of(cores * LEAST_PER_CORE, most)
    }

    fn of(least: usize, most: usize) -> Self {
        let most = most.max(1);
        let seen =
            Seen { calm: HashMap::new(), since: Instant::now(), calls: 0, took: 0, expected: 0, was_full: false };
        Self {
            shared: Arc::new(Shared {
                least: least.min(most),
                most,
                limit: AtomicUsize::new(least.saturating_mul(START).min(most)),
                taken: AtomicUsize::new(0),
                seen: Mutex::new(seen),
            }),
        }
    }

    /// A place for a call of that RPC. `nested`: made by a service for a call that was let in before; to finish what was
    /// begun comes first.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED, with the time after which to come again.
    pub fn enter(&self, rule: Option<&'static RpcRule>, nested: bool) -> Result<Place, Fault> {
        self.enter_at(Instant::now(), rule, nested)
    }

    fn enter_at(&self, now: Instant, rule: Option<&'static RpcRule>, nested: bool) -> Result<Place, Fault> {
        let shared = &self.shared;
        let percent = match rule.map_or(Criticality::Batch, |rule| rule.criticality) {
            Criticality::Batch => 50,
            _ if nested => 100,
            Criticality::Unspecified | Criticality::Read => 75,
            Criticality::Cart => 90,
            Criticality::Checkout => 100,
        };
        let limit = shared.limit.load(Ordering::Relaxed);
        // Rounded up, so that a small room has one for each.
        let share = limit.saturating_mul(percent).div_ceil(100);
        let more = |taken| (taken < share).then_some(taken + 1);
        match shared.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(others) => Ok(Place { shared: shared.clone(), rule, entered: now, others }),
            Err(_) => {
                shared.lock().was_full = true;
                let method = rule.map_or("unknown", |rule| rule.path.trim_start_matches('/'));
                INSTRUMENTS.shed.add(1, &[KeyValue::new(names::RPC_METHOD, method)]);
                let fault = Fault::new(Code::ResourceExhausted, ErrorReason::Overloaded, "too much load at the moment");
                Err(fault.retry_after(COME_BACK))
            }
        }
    }
}

impl Place {
    /// Gives the place back and notes how long the call took, if that says something: refusals are quick, and streams last
    /// as long as they like.
    pub fn done(self, code: Code) {
        self.done_at(Instant::now(), code);
    }

    fn done_at(self, now: Instant, code: Code) {
        let says = matches!(code, Code::Ok | Code::DeadlineExceeded);
        if let Some(rule) = self.rule.filter(|rule| says && rule.is_unary()) {
            let took = u64::try_from(now.duration_since(self.entered).as_micros()).unwrap_or(u64::MAX).max(1);
            // Itself not counted.
            let others = self.others.max(self.shared.taken.load(Ordering::Relaxed).saturating_sub(1));
            self.shared.note(now, &rule.path, took, others);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, now: Instant, method: &'static str, took: u64, others: usize) {
        let mut seen = self.lock();
        let calm = seen.calm.entry(method).or_insert(took);
        // A whole machine to itself, more or less.
        if others < self.least / 2 {
            *calm = (*calm * (MEMORY - 1) + took) / MEMORY;
        }
        let calm = (*calm).max(1);
        seen.calls += 1;
        seen.took = seen.took.saturating_add(took);
        seen.expected = seen.expected.saturating_add(calm);
        let limit = self.limit.load(Ordering::Relaxed);
        seen.was_full |= others + 1 >= limit.saturating_mul(3) / 4;
        let window = now.duration_since(seen.since);
        if window < WINDOW || (seen.calls < ENOUGH && window < RARE) {
            return;
        }
        let stretch = seen.took.saturating_mul(1_000) / seen.expected;
        let next = if stretch > STRETCH * 1_000 {
            if limit == self.least {
                seen.calm.values_mut().for_each(|calm| *calm += (*calm * RELEARN).div_ceil(1_000));
            }
            let left = (STRETCH * 1_000_000 / stretch).max(1_000 - FALL);
            usize::try_from(left).unwrap_or(usize::MAX).saturating_mul(limit) / 1_000
        } else if seen.was_full {
            limit + (limit / RISE).max(1)
        } else {
            limit
        };
        let next = next.clamp(self.least, self.most);
        if next != limit {
            self.limit.store(next, Ordering::Relaxed);
            INSTRUMENTS.limit.record(u64::try_from(next).unwrap_or(u64::MAX), &[]);
            tracing::debug!(limit = next, stretch, "the limit of concurrent calls changed");
        }
        (seen.since, seen.calls, seen.took, seen.expected, seen.was_full) = (now, 0, 0, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::rules;

    fn unary(criticality: Criticality) -> &'static RpcRule {
        rules().find(|rule| rule.criticality == criticality && rule.is_unary()).unwrap()
    }

    fn batch() -> &'static RpcRule {
        rules().find(|rule| rule.criticality == Criticality::Batch).unwrap()
    }

    #[test]
    fn the_less_it_matters_the_earlier_it_is_shed() {
        let room = Room::of(100, 100);
        let mut places = Vec::new();
        let mut fill = |rule, nested| {
            let before = places.len();
            while let Ok(place) = room.enter(Some(rule), nested) {
                places.push(place);
            }
            (before, places.len())
        };
        assert_eq!(fill(batch(), false), (0, 50));
        assert_eq!(fill(unary(Criticality::Read), false), (50, 75));
        assert_eq!(fill(batch(), true), (75, 75));
        assert_eq!(fill(unary(Criticality::Cart), false), (75, 90));
        // What was begun is finished.
        assert_eq!(fill(unary(Criticality::Read), true), (90, 100));
        assert_eq!(fill(unary(Criticality::Checkout), false), (100, 100));
        let refused = room.enter(Some(batch()), false).unwrap_err();
        assert_eq!((refused.code(), refused.reason()), (Code::ResourceExhausted, ErrorReason::Overloaded));
        drop(places);
        assert!(room.enter(Some(batch()), false).is_ok());
    }

    /// A machine on which one call alone takes `alone`, and which handles `at_once` without making them slower.
    struct Machine {
        room: Room,
        now: Instant,
        at_once: u32,
    }

    impl Machine {
        fn new(at_once: u32) -> Self {
            Self { room: Room::of(8, 2_048), now: Instant::now(), at_once }
        }

        fn limit(&self) -> usize {
            self.room.shared.limit.load(Ordering::Relaxed)
        }

        /// Offered as many calls as it lets in, again and again; the limit at the end.
        fn flooded(&mut self, alone: Duration, rounds: usize) -> usize {
            for _ in 0..rounds {
                let mut places = Vec::new();
                while let Ok(place) = self.room.enter_at(self.now, Some(unary(Criticality::Checkout)), false) {
                    places.push(place);
                }
                self.now += alone * u32::try_from(places.len()).unwrap().div_ceil(self.at_once).max(1);
                for place in places {
                    place.done_at(self.now, Code::Ok);
                }
            }
            self.limit()
        }

        fn one(&mut self, criticality: Criticality, took: Duration, code: Code) {
            let place = self.room.enter_at(self.now, Some(unary(criticality)), false).unwrap();
            self.now += took;
            place.done_at(self.now, code);
        }
    }

    #[test]
    fn the_limit_finds_what_the_machine_can_do() {
        let alone = Duration::from_millis(5);
        for at_once in [4, 16, 64] {
            let mut machine = Machine::new(at_once);
            (0..200).for_each(|_| machine.one(Criticality::Checkout, alone, Code::Ok));
            let limit = machine.flooded(alone, 2_000);
            let right = usize::try_from(at_once).unwrap() * 6;
            assert!((right / 2..=right * 2).contains(&limit), "{at_once} at once: a limit of {limit}");
        }
    }

    #[test]
    fn what_becomes_slow_for_good_becomes_normal() {
        let mut machine = Machine::new(64);
        let (fast, slow) = (Duration::from_millis(2), Duration::from_millis(40));
        (0..200).for_each(|_| machine.one(Criticality::Checkout, fast, Code::Ok));
        assert!(machine.flooded(fast, 1_000) > 100);
        // Twenty times as slow: at first far fewer.
        assert!(machine.flooded(slow, 100) < 20);
        assert!(machine.flooded(slow, 10_000) > 40, "it is stuck");
    }

    #[test]
    fn slow_calls_of_another_kind_and_quick_refusals_change_nothing() {
        let mut machine = Machine::new(64);
        let before = machine.limit();
        for _ in 0..200 {
            machine.one(Criticality::Checkout, Duration::from_millis(300), Code::Ok);
            machine.one(Criticality::Read, Duration::from_millis(1), Code::Ok);
        }
        (0..2_000).for_each(|_| machine.one(Criticality::Checkout, Duration::from_millis(1), Code::NotFound));
        (0..200).for_each(|_| machine.one(Criticality::Checkout, Duration::from_millis(300), Code::Ok));
        assert_eq!(machine.limit(), before);
    }
}
