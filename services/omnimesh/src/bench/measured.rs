//! One mode, measured: the mesh at rest, then each workload.

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum as _;
use indicatif::ProgressBar;

use super::{
    args::{BenchArgs, Mode, Pace},
    caller::Caller,
    disk,
    drive::{Until, drive},
    gateway, growth,
    mesh::Mesh,
    references::{self, Echoes},
    report::{At, ModeReport, Reference, Report, WorkloadReport, ratio},
    rounds::{Subject, measure, milliseconds},
    statements::{Ran, Snapshot},
    stores::Stores,
    workload::{Prepared, Workload},
    world::World,
};

/// Measures one mode, at each size if there are sizes, and adds it to the report.
pub(super) async fn mode(
    args: &BenchArgs,
    mode: Mode,
    echoes: &mut Echoes,
    bar: &ProgressBar,
    report: &mut Report,
) -> Result<()> {
    let stores = match mode {
        Mode::Embedded => None,
        Mode::Stores | Mode::Split => Some(Stores::make(args).await?),
    };
    if let Some(reason) = stores.as_ref().and_then(|stores| stores.uncounted.clone()) {
        report.remarks.push(reason);
    }
    let measured = on(args, mode, stores.clone(), echoes, bar, &mut report.modes).await;
    // Also after a failure. The processes have ended with the mesh.
    if let Some(stores) = stores {
        stores.remove().await?;
    }
    measured
}

async fn on(
    args: &BenchArgs,
    mode: Mode,
    stores: Option<Stores>,
    echoes: &mut Echoes,
    bar: &ProgressBar,
    reports: &mut Vec<ModeReport>,
) -> Result<()> {
    let pace = args.pace();
    bar.set_message(format!("{}: what the stores do by themselves", mode.title()));
    let folder = tempfile::tempdir()?;
    let mut disk = vec![disk::write_and_sync(folder.path(), pace.reference)?];
    if stores.is_some() && !args.quick {
        disk.extend(disk::pg_test_fsync(folder.path()).await?);
    }
    let of_stores = references::of_stores(stores.as_ref(), folder.path(), &args.callers, pace).await?;
    bar.set_message(format!("{}: starting", mode.title()));
    let (mesh, starts) = Mesh::start(mode, stores, echoes.address()).await?;
    let idle = Idle::of(&mesh, pace).await?;
    let at_rest = ModeReport {
        mode,
        size: None,
        stores: match &mesh.stores {
            Some(stores) => stores.settings().await?,
            None => "SQLite, WAL, synchronous FULL".into(),
        },
        starts,
        idle_memory_bytes: idle.memory_bytes,
        idle_statements_per_second: idle.statements_per_second(),
        idle_cpu_ms_per_second: idle.cpu_ms_per_second,
        disk,
        references: of_stores,
        workloads: Vec::new(),
        gateway: Vec::new(),
    };
    let chosen = args.chosen();
    let most = args.callers.iter().copied().max().unwrap_or(1);
    // What is copied must be there, whatever is measured.
    let needed = if args.growth.is_empty() { chosen.clone() } else { Workload::value_variants().to_vec() };
    let world = World::make(&mesh, &needed, usize::from(most), bar).await?;
    let measuring = Measuring { mesh: &mesh, world: &world, pace, bar, references: &at_rest.references };
    let mut sizes: Vec<_> = args.growth.iter().copied().map(Some).collect();
    sizes.sort_unstable();
    if sizes.is_empty() {
        sizes.push(None);
    }
    let mut grown = 0;
    for size in sizes {
        if let (Some(size), Some(stores)) = (size, &mesh.stores) {
            mesh.quiet().await?;
            growth::grow(stores, grown, size, bar).await?;
            grown = size;
        }
        let mut found = ModeReport { size, ..at_rest.clone() };
        for workload in &chosen {
            found.workloads.push(measuring.workload(*workload, &args.callers, echoes).await?);
        }
        if mode == Mode::Split {
            found.gateway = gateway::measure_all(&mesh, &world, &found.workloads, echoes, pace, bar).await?;
        }
        reports.push(found);
    }
    mesh.end().await
}

/// A mesh that nobody calls.
struct Idle {
    memory_bytes: u64,
    cpu_ms_per_second: f64,
    statements: Option<Snapshot>,
    seconds: f64,
}

impl Idle {
    async fn of(mesh: &Mesh, pace: Pace) -> Result<Self> {
        mesh.quiet().await?;
        Self::now(mesh, pace).await
    }

    async fn now(mesh: &Mesh, pace: Pace) -> Result<Self> {
        let (before, cpu, start) = (statements(mesh).await?, mesh.cpu(), Instant::now());
        tokio::time::sleep(pace.idle).await;
        let seconds = start.elapsed().as_secs_f64();
        let statements = statements(mesh).await?.zip(before).map(|(after, before)| after.since(&before));
        let cpu_ms_per_second = milliseconds(mesh.cpu().saturating_sub(cpu)) / seconds;
        Ok(Self { memory_bytes: mesh.memory(), cpu_ms_per_second, statements, seconds })
    }

    fn statements_per_second(&self) -> Option<f64> {
        let none = Snapshot::default();
        self.statements.as_ref().map(|statements| statements.per_call(1, 0.0, &none, 0.0).statements / self.seconds)
    }
}

struct Measuring<'a> {
    mesh: &'a Mesh,
    world: &'a World,
    pace: Pace,
    bar: &'a ProgressBar,
    references: &'a [Reference],
}

impl Measuring<'_> {
    async fn workload(&self, workload: Workload, callers: &[u16], echoes: &mut Echoes) -> Result<WorkloadReport> {
        self.bar.set_message(format!("{}: counting", workload.title()));
        let (sizes, statements, statements_after) = self.count(workload).await?;
        let mut report = WorkloadReport {
            workload,
            request_bytes: sizes.0,
            reply_bytes: sizes.1,
            statements,
            statements_after,
            at: Vec::new(),
        };
        for number in callers {
            let callers = usize::from(*number);
            self.bar.set_message(format!("{}: {number} callers", workload.title()));
            let prepared = workload.prepare(self.world, callers)?;
            let rounds = measure(&Subject::mesh(self.mesh), self.pace, Some(self.world), prepared).await?;
            self.bar.set_message(format!("{}: {number} callers of bare echoes", workload.title()));
            let echo = echoes.measure(1, callers, sizes, self.pace).await?;
            let two_hops = echoes.measure(2, callers, sizes, self.pace).await?;
            let upsert = self
                .references
                .iter()
                .find(|reference| reference.name == references::UPSERT && reference.callers == *number);
            report.at.push(At {
                callers: *number,
                memory_bytes: rounds.memory_bytes,
                cpu_to_echo: ratio(rounds.figures.cpu_ms, echo.cpu_ms),
                cpu_to_echo_two_hops: ratio(rounds.figures.cpu_ms, two_hops.cpu_ms),
                rate_to_upsert: upsert.and_then(|upsert| ratio(rounds.figures.per_second, upsert.figures.per_second)),
                figures: rounds.figures,
                echo: Some(echo),
                echo_two_hops: Some(two_hops),
            });
        }
        Ok(report)
    }

    /// Counts what one caller's calls run while no event goes out, and then what the events run.
    async fn count(&self, workload: Workload) -> Result<((usize, usize), Option<Ran>, Option<Ran>)> {
        let calls = (workload.counted() / self.pace.fewer).max(5);
        let Prepared { callers, ready } = workload.prepare(self.world, 1)?;
        if let Some(ready) = &ready {
            self.world.carts_to_order(ready, calls + 3).await?;
        }
        // What is done once for a connection or a session is not a call's.
        let (callers, _) = drive(callers, Until::Calls(3)).await?;
        self.mesh.quiet().await?;
        let counted = match &self.mesh.stores {
            Some(stores) if stores.uncounted.is_none() => Some(stores),
            _ => None,
        };
        let Some(stores) = counted else {
            let (callers, _) = drive(callers, Until::Calls(calls)).await?;
            return Ok((sizes(&callers), None, None));
        };
        let services = self.mesh.services();
        stores.hold_relays(&services, true).await?;
        let held = self.count_held(callers, calls).await;
        stores.hold_relays(&services, false).await?;
        let (sizes, ran, made) = held?;
        let (before, start) = (statements(self.mesh).await?.unwrap_or_default(), Instant::now());
        self.mesh.quiet().await?;
        let after = statements(self.mesh).await?.unwrap_or_default().since(&before);
        let seconds = start.elapsed().as_secs_f64();
        let idle = Idle::of(self.mesh, self.pace).await?;
        let after = after.per_call(made, seconds, &idle.statements.unwrap_or_default(), idle.seconds);
        Ok((sizes, Some(ran), Some(after)))
    }

    async fn count_held(&self, callers: Vec<Caller>, calls: usize) -> Result<((usize, usize), Ran, u64)> {
        let idle = Idle::now(self.mesh, self.pace).await?;
        let (before, start) = (statements(self.mesh).await?.unwrap_or_default(), Instant::now());
        let (callers, tally) = drive(callers, Until::Calls(calls)).await?;
        let seconds = start.elapsed().as_secs_f64();
        let ran = statements(self.mesh).await?.unwrap_or_default().since(&before);
        let ran = ran.per_call_alone(tally.calls(), seconds, &idle.statements.unwrap_or_default(), idle.seconds);
        Ok((sizes(&callers), ran, tally.calls()))
    }
}

fn sizes(callers: &[Caller]) -> (usize, usize) {
    callers.first().map(Caller::sizes).unwrap_or_default()
}

async fn statements(mesh: &Mesh) -> Result<Option<Snapshot>> {
    match &mesh.stores {
        Some(stores) => stores.statements().await,
        None => Ok(None),
    }
}
