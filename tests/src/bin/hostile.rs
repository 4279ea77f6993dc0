//! Hostile clients against a running mesh: see `--help`.
#![expect(clippy::print_stdout, reason = "it is a report")]

use std::{
    net::SocketAddr,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use omnimesh_tests::{
    Mesh, Mode, Setup,
    hostile::{Crowd, Kind, Seen, Witness, malformed},
};

const SKU: &str = "TEA-RIZE-500";
/// How much memory may still be added once a tenth of the malformed calls is made: what they left in the stores' caches.
const GROWTH: u64 = 64 << 20;

/// Sends a new mesh malformed calls, then crowds of slow, silent, restless and enormous clients, and measures how long a
/// customer waits who does nothing wrong.
///
/// Build the mesh first: `cargo build --release`. OMNIMESH_BIN names another binary. Ends with 0 if nothing broke: no panic, no
/// exit, every answer well formed, memory steady, and the customer's p99 under twice the usual.
#[derive(Parser)]
#[command(name = "hostile")]
struct Args {
    /// Malformed calls.
    #[arg(long, default_value_t = 1_000_000)]
    malformed: u64,
    /// Silent connections.
    #[arg(long, default_value_t = 1_000)]
    idle: usize,
    /// Slow connections.
    #[arg(long, default_value_t = 300)]
    slow: usize,
    /// Connections that open streams and reset them at once.
    #[arg(long, default_value_t = 4)]
    resets: usize,
    /// Connections that send messages of 100 MB.
    #[arg(long, default_value_t = 4)]
    large: usize,
    /// Rounds of quiet and crowd by turns; their medians count.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Chance can be repeated.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// On Postgres and Redis (OMNIMESH_TEST_POSTGRES_URL) in place of the embedded stores.
    #[arg(long)]
    stores: bool,
    #[command(subcommand)]
    command: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Is a crowd, until it is killed: in a process of its own, that leaves the processor to others.
    #[command(hide = true)]
    Crowd { kind: String, gateway: SocketAddr, connections: usize, token: String },
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if let Some(Part::Crowd { kind, gateway, connections, token }) = args.command {
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind).context("no such crowd")?;
        Crowd { gateway, token, connections, done: Arc::default() }.run(kind).await;
        return Ok(ExitCode::SUCCESS);
    }
    let mode = if args.stores { Mode::Stores } else { Mode::Embedded };
    let mesh = Mesh::start_with(Setup::new(mode)).await;
    let witness = Witness::start(&mesh, SKU).await;
    let mut well = true;
    if args.malformed > 0 {
        well &= send_malformed(&args, &mesh).await?;
    }
    let crowds =
        [(Kind::Slow, args.slow), (Kind::Idle, args.idle), (Kind::Resets, args.resets), (Kind::Large, args.large)];
    for (kind, connections) in crowds.into_iter().filter(|(_, connections)| *connections > 0) {
        well &= meet(&args, &mesh, &witness, kind, connections).await?;
    }
    mesh.assert_no_defect();
    println!("{}", if well { "nothing broke" } else { "something broke: see above" });
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn send_malformed(args: &Args, mesh: &Mesh) -> Result<bool> {
    let style = ProgressStyle::with_template("malformed [{bar:40}] {pos}/{len} {per_sec} {eta} left {msg}")?;
    let bar = ProgressBar::new(args.malformed).with_style(style);
    let memory = Mutex::new(vec![(0, mesh.memory())]);
    let start = Instant::now();
    let outcome = malformed(mesh, args.malformed, args.seed, |made| {
        let now = mesh.memory();
        bar.set_position(made);
        bar.set_message(format!("{} MB", now >> 20));
        if let Ok(mut memory) = memory.lock() {
            memory.push((made, now));
        }
    })
    .await;
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs().max(1);
    println!(
        "malformed: {} calls in {seconds} s ({}/s), {} answered, {} of them let through, {} connections closed",
        args.malformed,
        args.malformed / seconds,
        outcome.answered(),
        outcome.let_through(),
        outcome.closed
    );
    for (answer, count) in &outcome.answers {
        println!("  {count:>9} {answer}");
    }
    let memory = memory.into_inner().unwrap_or_default();
    let at = |part: u64| memory.iter().find(|(made, _)| *made >= args.malformed * part / 10).map_or(0, |(_, now)| *now);
    let after = mesh.memory();
    let series: Vec<_> = (0..10).map(|part| format!("{}", at(part) >> 20)).collect();
    println!("  memory, MB, at each tenth: {} and {} after", series.join(" "), after >> 20);
    for wrong in &outcome.wrong {
        println!("  WRONG: {wrong}");
    }
    let steady = after < at(1) + GROWTH;
    if !steady {
        println!("  memory is not steady");
    }
    Ok(outcome.wrong_count == 0 && steady)
}

/// A crowd's process. It ends when this is dropped.
struct Pressure(Child);

impl Pressure {
    fn start(mesh: &Mesh, witness: &Witness, kind: Kind, connections: usize) -> Result<Self> {
        // The least important process of the machine: what is measured is the mesh, not its clients' hunger for the processor.
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(std::env::current_exe()?);
        command.args(["crowd", kind.name(), mesh.url().trim_start_matches("http://"), &connections.to_string()]);
        command.arg(witness.token()).stdin(Stdio::null());
        Ok(Self(command.spawn().context("the crowd can't be started")?))
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn meet(args: &Args, mesh: &Mesh, witness: &Witness, kind: Kind, connections: usize) -> Result<bool> {
    let round = Duration::from_secs(args.seconds);
    let (mut quiet, mut crowded, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut most = 0;
    for _ in 0..args.rounds {
        quiet.push(witness.watch(round).await);
        let pressure = Pressure::start(mesh, witness, kind, connections)?;
        // Until the crowd is there.
        tokio::time::sleep(Duration::from_secs(1)).await;
        crowded.push(witness.watch(round).await);
        most = most.max(mesh.memory());
        drop(pressure);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for seen in quiet.iter().chain(&crowded) {
        failed.extend(seen.failed.iter().cloned());
    }
    let (before, during) = (median(&quiet, 99), median(&crowded, 99));
    println!(
        "{:<7} {connections:>5} connections: p50 {} -> {} ms, p99 {} -> {} ms, memory at most {} MB, {} calls failed",
        kind.name(),
        millis(median(&quiet, 50)),
        millis(median(&crowded, 50)),
        millis(before),
        millis(during),
        most >> 20,
        failed.len()
    );
    for failure in failed.iter().take(5) {
        println!("  WRONG: {failure}");
    }
    let patient = during < before * 2;
    if !patient {
        println!("  the customer waits more than twice as long");
    }
    Ok(failed.is_empty() && patient)
}

fn median(rounds: &[Seen], percent: usize) -> Duration {
    let mut times: Vec<_> = rounds.iter().map(|seen| seen.percentile(percent)).collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> String {
    format!("{}.{:02}", time.as_millis(), time.as_micros() % 1_000 / 10)
}
