//! What a mesh does when three times as much is asked of it as it can do.

pub mod calls;
pub mod load;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::Mesh;
pub use load::Noted;

use calls::{Calls, Kind};
use load::{Tally, accepted, closed, open, quantile, shed};

/// How long each part is measured.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Until everything is warm.
    pub warm_up: Duration,
    /// Each kind alone.
    pub alone: Duration,
    /// What it can do.
    pub capacity: Duration,
    /// Under half of that.
    pub normal: Duration,
    /// Under three times that.
    pub overload: Duration,
    /// Under half of it again.
    pub after: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            warm_up: seconds(8),
            alone: seconds(4),
            capacity: seconds(10),
            normal: seconds(15),
            overload: seconds(60),
            after: seconds(12),
        }
    }
}

/// Callers in the closed loops.
const CALLERS: usize = 16;
/// The aims: useful work of every thousand of the capacity,
const GOODPUT: usize = 800;
/// times the normal p99,
const SLOWER: u64 = 2;
/// microseconds in which a call is shed, for 99 of 100 of them,
const SHED_WITHIN: u64 = 20_000;
/// seconds until all is normal,
const NORMAL_WITHIN: u32 = 5;
/// and bytes of memory more than before.
const MEMORY: u64 = 128 * 1024 * 1024;

/// What was measured.
#[derive(Debug)]
pub struct Figures {
    rates: BTreeMap<Kind, usize>,
    capacity: usize,
    offered: usize,
    normal: Tally,
    overload: Tally,
    after: Tally,
    worth: [usize; 2],
    memory: [u64; 3],
    times: Times,
}

/// Loads a mesh and measures.
pub async fn run(mesh: &Mesh, times: Times) -> Figures {
    let calls = Arc::new(Calls::prepare(mesh).await);
    closed(&calls, CALLERS, times.warm_up, Kind::of).await;
    let mut rates = BTreeMap::new();
    for kind in Kind::ALL {
        let tally = closed(&calls, CALLERS, times.alone, move |_| kind).await;
        rates.insert(kind, per_second(&tally, times.alone).max(1));
    }
    let best = closed(&calls, CALLERS, times.capacity, Kind::of).await;
    let capacity = per_second(&best, times.capacity).max(1);
    let before = mesh.memory();
    let normal = open(&calls, capacity / 2, times.normal, || ()).await;
    let mut most = 0;
    let offered = capacity * 3;
    let overload = open(&calls, offered, times.overload, || most = most.max(mesh.memory())).await;
    let after = open(&calls, capacity / 2, times.after, || ()).await;
    let worth = [worth(&best, &rates, times.capacity), worth(&overload, &rates, times.overload)];
    let memory = [before, most, mesh.memory()];
    Figures { rates, capacity, offered, normal, overload, after, worth, memory, times }
}

fn per_second(tally: &Tally, time: Duration) -> usize {
    accepted(tally).count() * 1_000 / usize::try_from(time.as_millis()).unwrap().max(1)
}

/// The useful work of a second, in millionths of what the mesh does of one kind alone: under load it does less of what is
/// cheap and more of what is dear.
fn worth(tally: &Tally, rates: &BTreeMap<Kind, usize>, time: Duration) -> usize {
    let seconds = usize::try_from(time.as_secs()).unwrap().max(1);
    tally.iter().map(|(kind, noted)| noted.accepted.len() * 1_000_000 / rates[kind] / seconds).sum()
}

impl Figures {
    fn goodput(&self) -> usize {
        self.worth[1] * 1_000 / self.worth[0].max(1)
    }

    /// Seconds after the overload until nothing is shed and calls take what they normally do.
    fn normal_again(&self) -> u32 {
        let seconds = u32::try_from(self.times.after.as_secs()).unwrap();
        let most = SLOWER * quantile(accepted(&self.normal), 990);
        let is_normal = |second: u32| {
            let in_it = accepted(&self.after).filter(|(at, _)| *at == second);
            shed(&self.after).all(|(at, _)| *at != second) && quantile(in_it, 990) <= most
        };
        (0..seconds).rev().take_while(|second| is_normal(*second)).last().unwrap_or(seconds)
    }

    /// What misses its aim.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut aim = |met: bool, problem: String| {
            if !met {
                problems.push(problem);
            }
        };
        aim(self.goodput() >= GOODPUT, format!("goodput is {} of 1000, and should be {GOODPUT}", self.goodput()));
        let (normal, loaded) = (quantile(accepted(&self.normal), 990), quantile(accepted(&self.overload), 990));
        aim(loaded <= SLOWER * normal, format!("p99 of accepted calls is {loaded} µs, normally {normal} µs"));
        let within = quantile(shed(&self.overload), 990);
        aim(within <= SHED_WITHIN, format!("calls are shed within {within} µs (p99)"));
        let kept: Vec<_> = self.overload.values().map(Noted::accepted_of_thousand).collect();
        aim(kept.is_sorted_by(|more, less| more >= less), format!("not the least critical are shed first: {kept:?}"));
        let again = self.normal_again();
        aim(again <= NORMAL_WITHIN, format!("normal again after {again} s"));
        let [before, most, _] = self.memory;
        aim(most <= before + MEMORY, format!("memory rose from {before} to {most} bytes"));
        for tally in [&self.normal, &self.overload, &self.after] {
            let wrong: Vec<_> = tally.values().flat_map(|noted| &noted.wrong).collect();
            aim(wrong.is_empty(), format!("{} calls went wrong, such as {:?}", wrong.len(), wrong.first()));
        }
        problems
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, tally: &Tally| {
            let p = |thousandths| quantile(accepted(tally), thousandths);
            let (calls, gone) = (accepted(tally).count(), shed(tally).count());
            writeln!(f, "{name:<10} {calls:>8} accepted, {gone:>8} shed; p50 {:>7} µs, p99 {:>7} µs", p(500), p(990))
        };
        writeln!(f, "capacity   {} calls/s, {CALLERS} callers; of one kind alone {:?}", self.capacity, self.rates)?;
        line(f, "normal", &self.normal)?;
        line(f, "overload", &self.overload)?;
        line(f, "after", &self.after)?;
        writeln!(f, "offered    {} calls/s for {} s", self.offered, self.times.overload.as_secs())?;
        writeln!(f, "goodput    {} of 1000 of the capacity", self.goodput())?;
        for (kind, noted) in &self.overload {
            let (p50, p99) = (quantile(&noted.accepted, 500), quantile(&noted.accepted, 990));
            let kept = noted.accepted_of_thousand();
            writeln!(f, "  {:<9} {kept:>4} of 1000 accepted; p50 {p50} µs, p99 {p99} µs", format!("{kind:?}"))?;
        }
        let p = |thousandths| quantile(shed(&self.overload), thousandths);
        writeln!(f, "shed       p50 {} µs, p99 {} µs, p99.9 {} µs", p(500), p(990), p(999))?;
        writeln!(f, "normal     again after {} s", self.normal_again())?;
        let [before, most, now] = self.memory.map(|bytes| bytes / 1024 / 1024);
        writeln!(f, "memory     {before} MB before, {most} MB at the most, {now} MB after")
    }
}
