//! `omnimesh bench`: starts a mesh of its own, calls it in a closed loop, and says what a call costs beside what bare echoes and
//! the stores themselves cost in the same run.
#![expect(clippy::float_arithmetic, reason = "rates, ratios and percentiles are measurements, not money")]

mod aims;
mod args;
mod caller;
mod disk;
mod drive;
mod gateway;
mod growth;
mod measured;
mod mesh;
mod plot;
mod process;
mod raw;
mod reference;
mod references;
mod report;
mod rounds;
mod statements;
mod stores;
mod table;
mod upsert;
mod workload;
mod world;

use std::{fs, io::Write, thread};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

pub use args::{BenchArgs, Mode};
pub use reference::{ReferenceArgs, serve as serve_reference};
pub use workload::Workload;

use references::Echoes;
use report::{Machine, Report};

/// Measures, prints a table and writes what was asked for. Whether every call was answered.
///
/// # Errors
/// If a store is missing or the mesh does not start; the text says what to do.
pub async fn bench(args: &BenchArgs, out: &mut impl Write) -> Result<bool> {
    tokio::select! {
        done = run(args, out) => done,
        // The processes end with what holds them; databases that were made stay behind.
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bail!("interrupted: databases named omnimesh_bench_… may be left on the Postgres server")
        }
    }
}

async fn run(args: &BenchArgs, out: &mut impl Write) -> Result<bool> {
    if !args.growth.is_empty() && args.modes.contains(&Mode::Embedded) {
        bail!("--growth puts its copies into Postgres: choose --mode stores or split");
    }
    let bar = ProgressBar::new_spinner().with_style(style());
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        optimized: !cfg!(debug_assertions),
        machine: machine(),
        pace: args.pace(),
        remarks: Vec::new(),
        aims: Vec::new(),
        modes: Vec::new(),
    };
    if !report.optimized {
        report.remarks.push("built without optimisations: its figures say nothing, build with --release".into());
    }
    let folder = tempfile::tempdir()?;
    let mut echoes = Echoes::start(folder.path()).await?;
    let mut modes = args.modes.clone();
    modes.dedup();
    for mode in modes {
        measured::mode(args, mode, &mut echoes, &bar, &mut report).await.with_context(|| mode.title())?;
    }
    bar.finish_and_clear();
    report.aims = aims::of(&report);
    table::write(&report, args.statements, out)?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(path, text).with_context(|| format!("can't write {}", path.display()))?;
    }
    if let Some(path) = &args.svg {
        plot::draw(&report, path)?;
    }
    Ok(report.modes.iter().flat_map(|mode| &mode.workloads).flat_map(|work| &work.at).all(|at| at.figures.errors == 0))
}

fn machine() -> Machine {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Machine {
        cores: thread::available_parallelism().map_or(0, usize::from),
        processor: name.map(|name| name.trim_start_matches([' ', '\t', ':']).to_owned()).unwrap_or_default(),
        load_before: load.split(' ').next().unwrap_or_default().to_owned(),
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}
