//! Stops calling a service that does not answer, and tries again after a while.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Outcomes are counted over this long.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer outcomes say nothing.
const AT_LEAST: u32 = 20;
/// Opens when one of so many calls in a window is answered no more than half of the time.
const FAILED_SHARE: u32 = 2;
/// How long it stays open before one call may try: about as long as a process takes to start.
const OPEN_FOR: Duration = Duration::from_secs(1);

/// One service's circuit.
#[derive(Debug)]
pub(super) struct Circuit {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Closed { since: Instant, calls: u32, failed: u32 },
    Open { until: Instant },
}

impl Circuit {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State::Closed { since: Instant::now(), calls: 0, failed: 0 }) }
    }

    /// Whether a call may be made; otherwise how long to wait. After the wait one call is let through, and its
    /// outcome decides.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Closed { .. } => Ok(()),
            State::Open { until } if until > now => Err(until - now),
            State::Open { .. } => {
                // The next try is due when this one had the time to fail: a lost outcome must not keep it open.
                *state = State::Open { until: now + OPEN_FOR };
                Ok(())
            }
        }
    }

    /// Records whether the service answered.
    pub(super) fn record(&self, now: Instant, answered: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Open { .. } if answered => *state = State::Closed { since: now, calls: 0, failed: 0 },
            State::Open { .. } => {}
            State::Closed { since, calls, failed } => {
                if now.duration_since(*since) > WINDOW {
                    (*since, *calls, *failed) = (now, 0, 0);
                }
                *calls += 1;
                *failed += u32::from(!answered);
                if *calls >= AT_LEAST && *failed * FAILED_SHARE >= *calls {
                    *state = State::Open { until: now + OPEN_FOR };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_on_failures_and_closes_after_one_good_try() {
        let (circuit, mut now) = (Circuit::new(), Instant::now());
        for _ in 0..AT_LEAST - 1 {
            circuit.record(now, false);
            assert!(circuit.admit(now).is_ok());
        }
        circuit.record(now, false);
        assert_eq!(circuit.admit(now), Err(OPEN_FOR));
        now += OPEN_FOR;
        assert!(circuit.admit(now).is_ok(), "one call tries");
        assert!(circuit.admit(now).is_err(), "only one");
        circuit.record(now, false);
        assert!(circuit.admit(now).is_err());
        now += OPEN_FOR;
        assert!(circuit.admit(now).is_ok());
        circuit.record(now, true);
        assert!(circuit.admit(now).is_ok() && circuit.admit(now).is_ok());
    }

    #[test]
    fn stays_closed_while_most_are_answered_or_failures_are_old() {
        let (circuit, mut now) = (Circuit::new(), Instant::now());
        for call in 0..200 {
            circuit.record(now, call % 5 != 0);
        }
        assert!(circuit.admit(now).is_ok());
        for _ in 0..4 {
            now += WINDOW * 2;
            for _ in 0..AT_LEAST - 1 {
                circuit.record(now, false);
            }
        }
        assert!(circuit.admit(now).is_ok());
    }
}
