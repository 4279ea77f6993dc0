//! Ways to load a mesh, and what is noted of each call.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::calls::{Calls, Kind};

/// How often calls that are due are sent.
const TICK: Duration = Duration::from_millis(1);
/// A shed caller's pause in a closed loop.
const PAUSE: Duration = Duration::from_millis(5);

/// What came of the calls of one kind.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    /// Microseconds that the accepted calls took, with the second since the start in which they began.
    pub accepted: Vec<(u32, u64)>,
    /// Microseconds until a call was refused for load.
    pub shed: Vec<(u32, u64)>,
    /// Refusals for load that don't say what they should, and everything else that went wrong.
    pub wrong: Vec<String>,
}

impl Noted {
    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.accepted.len() + self.shed.len() + self.wrong.len()
    }

    /// Accepted calls of every thousand.
    #[must_use]
    pub fn accepted_of_thousand(&self) -> usize {
        self.accepted.len() * 1_000 / self.calls().max(1)
    }
}

/// What came of a load, by kind.
pub type Tally = BTreeMap<Kind, Noted>;

/// A quantile in thousandths, microseconds.
#[must_use]
pub fn quantile<'a>(times: impl IntoIterator<Item = &'a (u32, u64)>, thousandths: usize) -> u64 {
    let mut times: Vec<u64> = times.into_iter().map(|(_, took)| *took).collect();
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get(last * thousandths / 1_000).copied().unwrap_or_default()
}

/// All calls of a tally that were accepted.
pub fn accepted(tally: &Tally) -> impl Iterator<Item = &(u32, u64)> {
    tally.values().flat_map(|noted| &noted.accepted)
}

/// All calls of a tally that were shed.
pub fn shed(tally: &Tally) -> impl Iterator<Item = &(u32, u64)> {
    tally.values().flat_map(|noted| &noted.shed)
}

#[derive(Clone)]
struct Notes {
    start: Instant,
    tally: Arc<Mutex<Tally>>,
}

impl Notes {
    fn new() -> Self {
        Self { start: Instant::now(), tally: Arc::default() }
    }

    /// Makes a call; whether it was accepted.
    async fn make(&self, calls: &Calls, kind: Kind) -> bool {
        let began = Instant::now();
        let answer = calls.call(kind).await;
        let took = u64::try_from(began.elapsed().as_micros()).unwrap();
        let second = u32::try_from((began - self.start).as_secs()).unwrap();
        let is_accepted = answer.is_ok();
        let mut tally = self.tally.lock().unwrap();
        let noted = tally.entry(kind).or_default();
        match answer {
            Ok(()) => noted.accepted.push((second, took)),
            Err(status) if is_shed(&status) => noted.shed.push((second, took)),
            Err(status) => noted.wrong.push(format!("{kind:?}: {status}")),
        }
        is_accepted
    }

    fn done(self) -> Tally {
        std::mem::take(&mut self.tally.lock().unwrap())
    }
}

/// A refusal for load as it should be: with its reason, and with when to come again.
fn is_shed(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted
        && status.get_details_error_info().is_some_and(|info| info.reason == "OVERLOADED")
        && status.get_details_retry_info().is_some_and(|retry| retry.retry_delay.is_some())
}

/// So many callers, each of whom calls again when answered. `kind` says what the call of that number is.
pub async fn closed(
    calls: &Arc<Calls>,
    callers: usize,
    time: Duration,
    kind: impl Fn(usize) -> Kind + Copy + Send + 'static,
) -> Tally {
    let (notes, over, number) = (Notes::new(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (calls, notes, over, number) = (calls.clone(), notes.clone(), over.clone(), number.clone());
        tasks.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                if !notes.make(&calls, kind(number.fetch_add(1, Ordering::Relaxed))).await {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
    }
    tokio::time::sleep(time).await;
    over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    notes.done()
}

/// So many calls a second, whatever comes of them; `each_second` is called in between.
pub async fn open(calls: &Arc<Calls>, rate: usize, time: Duration, mut each_second: impl FnMut()) -> Tally {
    let notes = Notes::new();
    let (mut sent, mut seconds) = (0, 0);
    let mut tasks = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    while notes.start.elapsed() < time {
        tick.tick().await;
        let since = usize::try_from(notes.start.elapsed().as_micros()).unwrap();
        let due = since * rate / 1_000_000;
        while sent < due {
            let (calls, notes, kind) = (calls.clone(), notes.clone(), Kind::of(sent));
            tasks.spawn(async move { notes.make(&calls, kind).await });
            sent += 1;
        }
        while tasks.try_join_next().is_some() {}
        if notes.start.elapsed().as_secs() > seconds {
            seconds += 1;
            each_second();
        }
    }
    tasks.join_all().await;
    notes.done()
}
