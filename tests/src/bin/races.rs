//! Has many buyers want few pieces and says whether any was sold twice: see `--help`.
#![expect(clippy::print_stdout, reason = "it is a report")]

use std::process::ExitCode;

use clap::Parser;
use omnimesh_tests::{
    Mesh,
    races::{Race, run, setup},
};

/// Runs a mesh on Postgres with 16 connections, fills a cart for each buyer, and has all of them order at once.
///
/// Build the mesh first: `cargo build --release`. OMNIMESH_BIN names another binary. Ends with 0 if all is well.
#[derive(Parser)]
#[command(name = "races")]
struct Args {
    /// How many want one piece each.
    #[arg(long, default_value_t = 10_000)]
    buyers: usize,
    /// How many pieces there are.
    #[arg(long, default_value_t = 100)]
    pieces: i64,
    /// How many order at the same time.
    #[arg(long, default_value_t = 500)]
    at_once: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { buyers, pieces, at_once } = Args::parse();
    let race = Race { buyers, pieces, at_once };
    let mesh = Mesh::start_with(setup()).await;
    let outcome = run(&mesh, race).await;
    mesh.assert_no_defect();
    println!("{buyers} buyers of {pieces} pieces, {at_once} at once, in {} ms", outcome.took.as_millis());
    println!("  bought    {:?}", outcome.bought);
    println!("  refused   {}", outcome.refused);
    let problems = outcome.problems(race);
    for problem in &problems {
        println!("  WRONG     {problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
