//! Warm-up and rounds of callers, with what the measured processes used in them.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{
    args::Pace,
    caller::Caller,
    drive::{Tally, Until, drive},
    mesh::Mesh,
    process::{self, Process},
    report::Figures,
    workload::{Prepared, Ready},
    world::World,
};

/// Carts that are made for a round at the most: making them takes longer than ordering them.
const MOST_CARTS: f64 = 3_000.0;

/// What is measured besides the callers.
pub(super) struct Subject<'a> {
    pub(super) processes: Vec<&'a Process>,
    /// The mesh, if it is one.
    pub(super) mesh: Option<&'a Mesh>,
}

impl<'a> Subject<'a> {
    pub(super) fn mesh(mesh: &'a Mesh) -> Self {
        Self { processes: mesh.processes.iter().collect(), mesh: Some(mesh) }
    }

    fn cpu(&self) -> Vec<Duration> {
        self.processes.iter().map(|process| process.cpu()).collect()
    }

    async fn quiet(&self) -> Result<bool> {
        match self.mesh {
            Some(mesh) => mesh.quiet().await,
            None => Ok(true),
        }
    }

    async fn postgres_cpu(&self) -> Result<Option<Duration>> {
        match self.mesh.and_then(|mesh| mesh.stores.as_ref()) {
            Some(stores) => stores.cpu().await,
            None => Ok(None),
        }
    }
}

/// What rounds gave.
pub(super) struct Rounds {
    pub(super) figures: Figures,
    pub(super) memory_bytes: u64,
}

/// Warms up and measures.
pub(super) async fn measure(
    subject: &Subject<'_>,
    pace: Pace,
    world: Option<&World>,
    prepared: Prepared,
) -> Result<Rounds> {
    let Prepared { mut callers, ready } = prepared;
    let mut supply = Supply { world, ready, rate: 0.0 };
    let few = callers.len() * 3;
    supply.make(few).await?;
    let warmed;
    (callers, warmed) = drive(callers, Until::Elapsed(pace.warm_up)).await?;
    supply.rate = rate(&warmed);
    let (mut rounds, mut memory_bytes) = (Vec::new(), 0);
    for _ in 0..pace.rounds {
        supply.for_round(pace.round, callers.len()).await?;
        subject.quiet().await?;
        let figures;
        (callers, figures) = round(subject, callers, pace.round).await?;
        supply.rate = figures.per_second;
        memory_bytes = memory_bytes.max(subject.processes.iter().map(|process| process.memory()).sum());
        rounds.push(figures);
    }
    Ok(Rounds { figures: Figures::median(&rounds), memory_bytes })
}

async fn round(subject: &Subject<'_>, callers: Vec<Caller>, length: Duration) -> Result<(Vec<Caller>, Figures)> {
    let (before, driver, postgres) = (subject.cpu(), process::own_cpu(), subject.postgres_cpu().await?);
    let (callers, tally) = drive(callers, Until::Elapsed(length)).await?;
    let driver = process::own_cpu().saturating_sub(driver);
    let answered: Duration = used(&before, &subject.cpu()).iter().sum();
    let end = Instant::now();
    subject.quiet().await?;
    let after_ms = milliseconds(end.elapsed());
    let all = used(&before, &subject.cpu());
    let postgres = match (postgres, subject.postgres_cpu().await?) {
        (Some(before), Some(after)) => Some(after.saturating_sub(before)),
        _ => None,
    };
    let per_call = |time: Duration| milliseconds(time) / float(tally.calls().max(1));
    let names = subject.processes.iter().map(|process| process.name.clone());
    let mut figures = latencies(&tally);
    figures.cpu_ms = per_call(all.iter().sum());
    figures.cpu_ms_until_answered = per_call(answered);
    figures.cpu_ms_by_process = names.zip(all.into_iter().map(per_call)).collect();
    figures.postgres_cpu_ms = postgres.map(per_call);
    figures.driver_cpu_ms = per_call(driver);
    figures.after_ms = after_ms;
    Ok((callers, figures))
}

fn used(before: &[Duration], after: &[Duration]) -> Vec<Duration> {
    before.iter().zip(after).map(|(before, after)| after.saturating_sub(*before)).collect()
}

/// Rate and latencies of a round.
fn latencies(tally: &Tally) -> Figures {
    let at = |percent| float(tally.latencies.value_at_percentile(percent)) / 1_000.0;
    Figures {
        calls: tally.calls(),
        errors: tally.errors,
        first_error: tally.first_error.as_ref().map(|status| format!("{:?}: {}", status.code(), status.message())),
        per_second: rate(tally),
        p50_ms: at(50.0),
        p95_ms: at(95.0),
        p99_ms: at(99.0),
        ..Figures::default()
    }
}

fn rate(tally: &Tally) -> f64 {
    float(tally.calls()) / tally.elapsed.as_secs_f64().max(1e-6)
}

/// Calls that must be prepared one by one.
struct Supply<'a> {
    world: Option<&'a World>,
    ready: Option<Ready>,
    rate: f64,
}

impl Supply<'_> {
    /// As many as the round will take, and some more; callers end early when they are used up.
    async fn for_round(&self, length: Duration, callers: usize) -> Result<()> {
        let least = float(u64::try_from(callers)?) * 4.0;
        self.make(whole((self.rate * length.as_secs_f64() * 1.2).clamp(least, MOST_CARTS.max(least)))).await
    }

    async fn make(&self, count: usize) -> Result<()> {
        let (Some(world), Some(ready)) = (self.world, &self.ready) else { return Ok(()) };
        let left = ready.lock().map(|ready| ready.len()).unwrap_or_default();
        world.carts_to_order(ready, count.saturating_sub(left)).await
    }
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of a few thousand, rounded up")]
fn whole(count: f64) -> usize {
    count.ceil().max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_told_by_process() {
        let ms = Duration::from_millis;
        assert_eq!(used(&[ms(100), ms(50)], &[ms(180), ms(50)]), [ms(80), ms(0)]);
    }

    #[tokio::test]
    async fn rate_and_percentiles_are_of_the_answered_calls() {
        let (_, mut tally) = drive(Vec::new(), Until::Calls(1)).await.unwrap();
        for micros in 1..=1_000u64 {
            tally.latencies.record(micros * 10).unwrap();
        }
        tally.elapsed = Duration::from_secs(2);
        tally.errors = 1;
        let figures = latencies(&tally);
        assert!((figures.per_second - 500.0).abs() < 1e-6);
        assert!((figures.p50_ms - 5.0).abs() < 0.01 && (figures.p95_ms - 9.5).abs() < 0.01);
        assert!((figures.p99_ms - 9.9).abs() < 0.01);
        assert_eq!((figures.calls, figures.errors), (1_000, 1));
    }
}
