//! What the command line asks of a bench.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use omnimesh_kit::private::Private;
use serde::Serialize;

use super::workload::Workload;

/// Measures the mesh on this machine, beside references of the same run.
///
/// It starts a mesh of its own as child processes, with a folder, a database and a Redis database that it makes and removes;
/// nothing that runs already is touched. Callers in this process call through the gateway over real sockets, each the next
/// call when the last is answered. Figures are the median of the rounds. CPU is the mesh's own, of all its processes, with
/// what follows by event; Postgres and Redis are not in it. Tracing is at 1 %.
///
/// Modes `stores` and `split` need a Postgres and a Redis server (--postgres, --redis). To count SQL statements the Postgres
/// needs shared_preload_libraries = 'pg_stat_statements'.
///
/// The bench, the mesh and the stores share this machine: run nothing else, and compare ratios rather than figures.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  omnimesh bench --mode embedded --quick
  omnimesh bench --postgres postgres://postgres@127.0.0.1/postgres --redis redis://127.0.0.1 --json bench.json --svg bench.svg
  omnimesh bench --workload add-line --callers 1 --statements
  omnimesh bench --growth 10000,100000,1000000")]
pub struct BenchArgs {
    /// How the mesh runs; as often as needed.
    #[arg(long = "mode", value_enum, value_name = "MODE", default_values_t = [Mode::Stores])]
    pub modes: Vec<Mode>,
    /// A Postgres server and a user that may create databases: postgres://user:password@host/database.
    #[arg(long, env = "OMNIMESH_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub postgres: Option<Private<String>>,
    /// A Redis server with an empty database among its numbered ones: redis://host:6379.
    #[arg(long, env = "OMNIMESH_REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub redis: Option<Private<String>>,
    /// What to measure; as often as needed [default: all].
    #[arg(long = "workload", value_enum, value_name = "WORKLOAD")]
    pub workloads: Vec<Workload>,
    /// How many call at the same time.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64], value_name = "NUMBERS", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub callers: Vec<u16>,
    /// How long each round lasts, seconds.
    #[arg(long, default_value_t = 4.0, value_parser = seconds)]
    pub seconds: f64,
    /// How long to warm up before the rounds, seconds.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub warm_up: f64,
    /// How many rounds; their median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=25))]
    pub rounds: u8,
    /// A short run to see that it works: rounds of half a second, few calls counted. Its figures say little.
    #[arg(long, conflicts_with_all = ["seconds", "warm_up", "rounds"])]
    pub quick: bool,
    /// List each workload's SQL statements with calls per call.
    #[arg(long)]
    pub statements: bool,
    /// Measure at each of these numbers of orders, carts and profiles, which are put into the database by SQL as copies of
    /// ones that the mesh made. Only with Postgres.
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    pub growth: Vec<u64>,
    /// Write the results as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw the results.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// How the mesh runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One process on Postgres and Redis.
    Stores,
    /// One process with embedded stores.
    Embedded,
    /// One process per target, on Postgres and Redis.
    Split,
}

impl Mode {
    /// What it is, for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Stores => "one process on Postgres and Redis",
            Self::Embedded => "one process with embedded stores",
            Self::Split => "one process per target, on Postgres and Redis",
        }
    }
}

/// How long and how often.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Pace {
    pub(super) warm_up: Duration,
    pub(super) round: Duration,
    pub(super) rounds: u8,
    /// A reference is only a scale: one round, shorter.
    pub(super) reference: Duration,
    /// Calls by which statements are counted are divided by this.
    pub(super) fewer: usize,
    /// The mesh's figures while nobody calls are taken over this time.
    pub(super) idle: Duration,
}

impl BenchArgs {
    pub(super) fn pace(&self) -> Pace {
        if self.quick {
            return Pace {
                warm_up: Duration::from_millis(200),
                round: Duration::from_millis(500),
                rounds: 1,
                reference: Duration::from_millis(200),
                fewer: 10,
                idle: Duration::from_secs(1),
            };
        }
        Pace {
            warm_up: Duration::from_secs_f64(self.warm_up),
            round: Duration::from_secs_f64(self.seconds),
            rounds: self.rounds,
            reference: Duration::from_secs_f64(self.seconds / 2.0).max(Duration::from_secs(1)),
            fewer: 1,
            idle: Duration::from_secs(4),
        }
    }

    pub(super) fn chosen(&self) -> Vec<Workload> {
        if self.workloads.is_empty() { Workload::value_variants().to_vec() } else { self.workloads.clone() }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("0.1 to 600 is accepted".to_owned()),
    }
}
