//! Measures how well a mesh tells customers apart: see `--help`.
#![expect(clippy::print_stdout, reason = "it is a report")]

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use omnimesh_tests::{
    Mesh, Mode, Setup,
    identity::{
        Fed, Labelled, febrl, feed, labelled,
        score::{Measure, Score, percentile, score},
        shuffle,
    },
};

/// Feeds customer records through the gateway of a new mesh, one by one, asks whose each is, and compares that with the truth.
///
/// Build the mesh first: `cargo build --release`. OMNIMESH_BIN names another binary.
#[derive(Parser)]
#[command(name = "identity")]
struct Args {
    /// CSV with the column gold_customer_id, which is not fed; a FEBRL file or two with --febrl.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The mapping of the columns; left out: a built-in one that fits.
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// The files are FEBRL data sets.
    #[arg(long)]
    febrl: bool,
    /// Merge on evidence above so many thousandths of a bit; the recommended threshold if left out.
    #[arg(long)]
    auto_merge_above: Option<String>,
    /// Also feed them in another order, to another new mesh; as often as needed.
    #[arg(long = "shuffle", value_name = "SEED")]
    shuffles: Vec<u64>,
    /// Feed them a second time to the same mesh: nothing may come of it.
    #[arg(long)]
    twice: bool,
    /// On Postgres and Redis (OMNIMESH_TEST_POSTGRES_URL, OMNIMESH_TEST_REDIS_URL) in place of the embedded stores.
    #[arg(long)]
    stores: bool,
}

/// The threshold that the README recommends, in thousandths of a bit.
const RECOMMENDED: &str = "1500";

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut records = Vec::new();
    for file in &args.files {
        records.extend(match args.febrl {
            true => febrl::labelled(file)?,
            false => labelled(file, args.mapping.as_deref())?,
        });
    }
    println!("{:<12} {:>23}   {:>23}   {:>23}", "", "pairwise P R F1", "cluster P R F1", "B3 P R F1");
    run(&args, "in order", &records).await?;
    for seed in &args.shuffles {
        let mut shuffled = records.clone();
        shuffle(&mut shuffled, *seed);
        run(&args, &format!("shuffle {seed}"), &shuffled).await?;
    }
    Ok(())
}

async fn run(args: &Args, name: &str, records: &[Labelled]) -> Result<()> {
    let mode = if args.stores { Mode::Stores } else { Mode::Embedded };
    let above = args.auto_merge_above.as_deref().unwrap_or(RECOMMENDED);
    let mesh = Mesh::start_empty(Setup::new(mode).variable("OMNIMESH_PROFILES__AUTO_MERGE_ABOVE", above)).await;
    let client = mesh.admin().await;
    let idle = mesh.memory();
    let fed = feed_with_progress(&client, name, records).await?;
    let truth: Vec<_> = records.iter().map(|record| record.customer.as_str()).collect();
    print(name, &score(&fed.profiles, &truth));
    let milliseconds = |time: Duration| format!("{}.{:02}", time.as_millis(), time.as_micros() % 1000 / 10);
    println!(
        "{:12} {} ms p50, {} ms p99, {} ms most a record; {} MB idle, {} MB after",
        "",
        milliseconds(percentile(&fed.times, 50)),
        milliseconds(percentile(&fed.times, 99)),
        milliseconds(percentile(&fed.times, 100)),
        idle / 1_000_000,
        mesh.memory() / 1_000_000
    );
    if args.twice {
        let again = feed_with_progress(&client, "again", records).await?;
        let moved = again.profiles.iter().zip(&fed.profiles).filter(|(now, before)| now != before).count();
        println!(
            "{:12} again: {} created, {} unchanged, {moved} with another profile",
            "", again.created, again.unchanged
        );
    }
    Ok(())
}

async fn feed_with_progress(client: &omnimesh_tests::Client, name: &str, records: &[Labelled]) -> Result<Fed> {
    let style = ProgressStyle::with_template("{msg:>12} [{bar:40}] {pos}/{len} {per_sec} {eta} left");
    let bar = ProgressBar::new(records.len() as u64)
        .with_style(style.context("the bar's template")?)
        .with_message(name.to_owned());
    let fed = feed(client, records, || bar.inc(1)).await;
    bar.finish_and_clear();
    Ok(fed)
}

fn print(name: &str, score: &Score) {
    let three = |measure: &Measure| format!("{:.4} {:.4} {:.4}", measure.precision, measure.recall, measure.f1());
    println!("{name:<12} {:>23}   {:>23}   {:>23}", three(&score.pairwise), three(&score.cluster), three(&score.b3));
    println!("{:12} {} records, {} found, {} customers", "", score.records, score.found, score.customers);
}
