//! The closed loop: each caller makes the next call when the last is answered.

use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tonic::Status;

use super::caller::Caller;

/// From a microsecond to two minutes.
const LONGEST_MICROS: u64 = 120_000_000;

/// When callers stop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After so many calls of each caller.
    Calls(usize),
}

/// What callers met.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Latencies of calls that were answered, microseconds.
    pub(super) latencies: Histogram<u64>,
    pub(super) errors: u64,
    pub(super) first_error: Option<Status>,
    /// From the first call to the last answer.
    pub(super) elapsed: Duration,
}

impl Tally {
    fn new() -> Result<Self> {
        let latencies = Histogram::new_with_bounds(1, LONGEST_MICROS, 3)?;
        Ok(Self { latencies, errors: 0, first_error: None, elapsed: Duration::ZERO })
    }

    /// Calls that were answered.
    pub(super) fn calls(&self) -> u64 {
        self.latencies.len()
    }

    fn count(&mut self, outcome: Result<Duration, Status>) {
        match outcome {
            Ok(latency) => {
                self.latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_MICROS).max(1));
            }
            Err(status) => {
                self.errors += 1;
                self.first_error.get_or_insert(status);
            }
        }
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.latencies.add(&other.latencies)?;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        Ok(())
    }
}

/// Lets all callers call; gives them back.
pub(super) async fn drive(callers: Vec<Caller>, until: Until) -> Result<(Vec<Caller>, Tally)> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        tasks.spawn(async move {
            let tally = one(&mut caller, until, start).await;
            (caller, tally)
        });
    }
    let (mut callers, mut all) = (Vec::new(), Tally::new()?);
    while let Some(ended) = tasks.join_next().await {
        let (caller, tally) = ended?;
        all.add(&tally?)?;
        callers.push(caller);
    }
    all.elapsed = start.elapsed();
    Ok((callers, all))
}

async fn one(caller: &mut Caller, until: Until, start: Instant) -> Result<Tally> {
    let mut tally = Tally::new()?;
    let mut begun = 0;
    loop {
        let go_on = match until {
            Until::Elapsed(time) => start.elapsed() < time,
            Until::Calls(calls) => begun < calls,
        };
        let Some(outcome) = caller.call(go_on).await else { return Ok(tally) };
        begun += 1;
        if outcome.is_err() {
            // A mesh that refuses everything is not to be asked ever faster.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tally.count(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_errors_and_the_first_of_them_add_up() {
        let mut all = Tally::new().unwrap();
        for part in 0..2u64 {
            let mut tally = Tally::new().unwrap();
            for micros in 1..=500 {
                tally.count(Ok(Duration::from_micros(part * 500 + micros)));
            }
            tally.count(Err(Status::internal(format!("of {part}"))));
            all.add(&tally).unwrap();
        }
        assert_eq!((all.calls(), all.errors), (1_000, 2));
        assert_eq!(all.first_error.as_ref().map(Status::message), Some("of 0"));
        for (percent, micros) in [(50.0, 500), (95.0, 950), (99.0, 990)] {
            assert_eq!(all.latencies.value_at_percentile(percent), micros);
        }
    }

    #[test]
    fn what_lasts_longer_than_the_histogram_reaches_still_counts() {
        let mut tally = Tally::new().unwrap();
        tally.count(Ok(Duration::from_secs(3_600)));
        tally.count(Ok(Duration::ZERO));
        assert_eq!(tally.calls(), 2);
    }
}
