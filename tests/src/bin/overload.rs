//! Asks three times as much of a mesh as it can do, and says how it took it: see `--help`.
#![expect(clippy::print_stdout, reason = "it is a report")]

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use omnimesh_tests::{
    Mesh, Mode, Setup,
    overload::{Times, run},
};

/// Measures what a mesh can do, offers three times as much for a minute, and compares.
///
/// Build the mesh first: `cargo build --release`. OMNIMESH_BIN names another binary. Ends with 0 if every aim is met.
#[derive(Parser)]
#[command(name = "overload")]
struct Args {
    /// One process per target instead of one for all.
    #[arg(long)]
    split: bool,
    /// Seconds of overload.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let mode = if args.split { Mode::Split } else { Mode::Stores };
    let setup = Setup::new(mode).variable("OMNIMESH_STORE__MAX_CONNECTIONS", "16");
    let mesh = Mesh::start_with(setup).await;
    let times = Times { overload: Duration::from_secs(args.seconds), ..Times::default() };
    let figures = run(&mesh, times).await;
    mesh.assert_no_defect();
    print!("{figures}");
    let problems = figures.problems();
    for problem in &problems {
        println!("MISSED     {problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
