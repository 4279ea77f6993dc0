//! What happened under fire, and what came of it.

use std::{collections::BTreeMap, fmt, sync::Mutex, time::Duration};

use tonic::Status;

use super::{Field, audit::Audit, ledger::Fate, supervisor::Seen};

/// How many problems are shown one by one.
const SHOWN: usize = 40;

/// Counts of what callers and stores met.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Clone, Debug, Default)]
struct Counts {
    failed: BTreeMap<(&'static str, String), usize>,
    hung_up: usize,
    hung_up_at_a_point: usize,
    surprises: Vec<String>,
    redis_kills: usize,
    postgres: Vec<Duration>,
}

impl Tally {
    /// A call that got no answer, and is repeated.
    pub(super) fn failed(&self, what: &'static str, status: &Status) {
        *self.0.lock().unwrap().failed.entry((what, format!("{:?}", status.code()))).or_default() += 1;
    }

    pub(super) fn hung_up(&self) {
        self.0.lock().unwrap().hung_up += 1;
    }

    pub(super) fn hung_up_at_a_point(&self) {
        self.0.lock().unwrap().hung_up_at_a_point += 1;
    }

    /// A refusal that nobody deserved.
    pub(super) fn surprise(&self, what: &str, status: &Status) {
        self.0.lock().unwrap().surprises.push(format!("{what} was refused: {:?} {}", status.code(), status.message()));
    }

    pub(super) fn surprises(&self) -> Vec<String> {
        self.0.lock().unwrap().surprises.clone()
    }

    pub(super) fn redis_killed(&self) {
        self.0.lock().unwrap().redis_kills += 1;
    }

    pub(super) fn postgres_restarted(&self, served_after: Duration) {
        self.0.lock().unwrap().postgres.push(served_after);
    }
}

/// The report of a run.
#[derive(Debug)]
pub struct Report {
    /// What went wrong; empty if all is well.
    pub problems: Vec<String>,
    seed: u64,
    took: Duration,
    rested: Duration,
    sold: BTreeMap<&'static str, usize>,
    refused: usize,
    merged: usize,
    events: usize,
    effects: usize,
    memory: u64,
    counts: Counts,
    seen: Seen,
}

impl Report {
    pub(super) fn new(field: &Field, audit: Audit, took: Duration) -> Self {
        let ledger = field.ledger.lock().unwrap();
        let count = |fate| ledger.sold.iter().filter(|sold| sold.fate == fate).count();
        let fates = [("placed", Fate::Placed), ("cancelled", Fate::Cancelled), ("shipped", Fate::Shipped)];
        Self {
            problems: audit.problems,
            seed: field.fire.seed,
            took,
            rested: audit.rested,
            sold: fates.into_iter().map(|(name, fate)| (name, count(fate))).collect(),
            refused: ledger.refused.len(),
            merged: ledger.merged.len(),
            events: audit.events,
            effects: audit.effects,
            memory: field.supervisor.memory(),
            counts: field.tally.0.lock().unwrap().clone(),
            seen: field.supervisor.seen(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (counts, seen) = (&self.counts, &self.seen);
        writeln!(
            f,
            "seed {}; {} s, of which {} s to come to rest",
            self.seed,
            self.took.as_secs(),
            self.rested.as_secs()
        )?;
        writeln!(f, "orders acknowledged: {} {:?}", self.sold.values().sum::<usize>(), self.sold)?;
        writeln!(f, "orders refused for want of goods: {}; pairs of profiles merged: {}", self.refused, self.merged)?;
        writeln!(f, "killed: {} {:?}", seen.kills.values().sum::<usize>(), seen.kills)?;
        let mut points: BTreeMap<_, usize> = BTreeMap::new();
        for ((_, point), count) in &seen.deaths {
            *points.entry(point).or_default() += count;
        }
        writeln!(f, "died at fault points: {} {points:?}", points.values().sum::<usize>())?;
        writeln!(f, "paused: {:?}", seen.pauses)?;
        let (moment, point) = (counts.hung_up, counts.hung_up_at_a_point);
        writeln!(f, "callers hung up: {moment} after a moment, {point} while a process paused at a step")?;
        writeln!(f, "Redis killed and emptied: {}; false starts meanwhile: {}", counts.redis_kills, seen.false_starts)?;
        let postgres: Vec<_> = counts.postgres.iter().map(Duration::as_millis).collect();
        writeln!(f, "Postgres restarted at once: {}; an order was placed after {postgres:?} ms", postgres.len())?;
        writeln!(f, "calls repeated: {:?}", counts.failed)?;
        writeln!(
            f,
            "events: {}; effects watched: {}; memory: {} MB",
            self.events,
            self.effects,
            self.memory / 1_000_000
        )?;
        for problem in self.problems.iter().take(SHOWN) {
            writeln!(f, "PROBLEM {problem}")?;
        }
        write!(f, "{} problems", self.problems.len())
    }
}
