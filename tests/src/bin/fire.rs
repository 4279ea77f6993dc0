//! Places orders while processes and stores are killed, and says whether the books balance: see `--help`.
#![expect(clippy::print_stdout, reason = "it is a report")]

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use omnimesh_tests::{
    Mode,
    fire::{Fire, run},
};

/// Runs a mesh on private stores, kills what it is made of while orders are placed with retries, and audits its books.
///
/// Build the mesh first: `cargo build`. A release build has its fault points with `--features omnimesh-kit/faults`.
/// OMNIMESH_BIN names another binary. Ends with 0 if all is well.
#[derive(Parser)]
#[command(name = "fire")]
struct Args {
    /// How the mesh is run.
    #[arg(long, value_enum, default_value_t = Way::Split)]
    mode: Way,
    /// How many carts are to become orders.
    #[arg(long, default_value_t = 5_000)]
    orders: usize,
    /// How many buyers at the same time.
    #[arg(long, default_value_t = 12)]
    buyers: usize,
    /// How often a process is killed; each at least four times if that is enough for it. Default: 50, embedded 20.
    #[arg(long)]
    kills: Option<usize>,
    /// How often Redis is killed and comes back empty.
    #[arg(long, default_value_t = 3)]
    redis_kills: usize,
    /// How often Postgres is restarted at once.
    #[arg(long, default_value_t = 2)]
    postgres_restarts: usize,
    /// Some process dies at each fault point, rather than every process at each.
    #[arg(long)]
    points_once: bool,
    /// What chance follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// One process per target on Postgres and Redis.
    Split,
    /// One process with embedded stores.
    Embedded,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let (mode, kills) = match args.mode {
        Way::Split => (Mode::Split, 50),
        Way::Embedded => (Mode::Embedded, 20),
    };
    let fire = Fire {
        mode,
        orders: args.orders,
        buyers: args.buyers,
        kills: args.kills.unwrap_or(kills),
        redis_kills: args.redis_kills,
        postgres_restarts: args.postgres_restarts,
        every_point: !args.points_once,
        seed: args.seed,
    };
    let style = ProgressStyle::with_template("[{bar:40}] {pos}/{len} orders {elapsed} {msg}");
    let bar = ProgressBar::new(fire.orders as u64).with_style(style.context("the bar's template")?);
    let shown = bar.clone();
    let report = run(fire, move |done, act| {
        shown.set_position(done as u64);
        if !act.is_empty() {
            shown.set_message(act.to_owned());
        }
    })
    .await;
    bar.finish_and_clear();
    println!("{report}");
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
