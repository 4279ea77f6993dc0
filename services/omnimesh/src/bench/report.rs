//! What a bench found out, as it is written to JSON.

use serde::Serialize;

use super::{args::Mode, mesh::Starts, statements::Ran, workload::Workload};

/// A whole bench.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) version: &'static str,
    /// Whether the program was built with optimisations.
    pub(super) optimized: bool,
    pub(super) machine: Machine,
    pub(super) pace: super::args::Pace,
    /// What makes the figures less than they seem.
    pub(super) remarks: Vec<String>,
    /// What the mesh is to reach, as far as it was measured.
    pub(super) aims: Vec<super::aims::Aim>,
    pub(super) modes: Vec<ModeReport>,
}

/// Where it ran.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) processor: String,
    /// The load average of the last minute when the bench began.
    pub(super) load_before: String,
}

/// One way to run the mesh.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ModeReport {
    pub(super) mode: Mode,
    /// Orders, carts and profiles that were in the database before; none without `--growth`.
    pub(super) size: Option<u64>,
    pub(super) stores: String,
    pub(super) starts: Starts,
    pub(super) idle_memory_bytes: u64,
    /// Statements a second that run while nobody calls; none if not counted.
    pub(super) idle_statements_per_second: Option<f64>,
    /// CPU milliseconds a second while nobody calls.
    pub(super) idle_cpu_ms_per_second: f64,
    pub(super) disk: Vec<Disk>,
    pub(super) references: Vec<Reference>,
    pub(super) workloads: Vec<WorkloadReport>,
    /// In a mode of several processes: what the gateway costs in front of a bare echo.
    pub(super) gateway: Vec<GatewayReport>,
}

/// How long the disk takes to keep something.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Disk {
    pub(super) what: String,
    pub(super) per_second: f64,
}

/// What is compared with.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Reference {
    pub(super) name: &'static str,
    pub(super) callers: u16,
    pub(super) figures: Figures,
}

/// One kind of call.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WorkloadReport {
    pub(super) workload: Workload,
    pub(super) request_bytes: usize,
    pub(super) reply_bytes: usize,
    /// What a call runs itself; none if not counted.
    pub(super) statements: Option<Ran>,
    /// What follows by event: relays and consumers.
    pub(super) statements_after: Option<Ran>,
    pub(super) at: Vec<At>,
}

/// At so many callers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct At {
    pub(super) callers: u16,
    pub(super) figures: Figures,
    /// The most that the processes held after a round.
    pub(super) memory_bytes: u64,
    /// A bare echo of the same payload: one hop and two.
    pub(super) echo: Option<Figures>,
    pub(super) echo_two_hops: Option<Figures>,
    pub(super) cpu_to_echo: Option<f64>,
    pub(super) cpu_to_echo_two_hops: Option<f64>,
    /// The rate in relation to the store's one-row upsert at as many callers.
    pub(super) rate_to_upsert: Option<f64>,
}

/// Medians of the rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Figures {
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
    /// CPU of the measured processes per call, until all that follows by event is done.
    pub(super) cpu_ms: f64,
    /// CPU per call until the last answer.
    pub(super) cpu_ms_until_answered: f64,
    /// By process, where there are several.
    pub(super) cpu_ms_by_process: Vec<(String, f64)>,
    /// Postgres' processes, if they run here.
    pub(super) postgres_cpu_ms: Option<f64>,
    /// The callers' own CPU per call.
    pub(super) driver_cpu_ms: f64,
    /// How long what follows by event took after the last answer; at least a fifth of a second, by which quiet is known.
    pub(super) after_ms: f64,
}

/// What the gateway costs in front of a bare echo, and a bare forwarder in its place.
#[derive(Clone, Debug, Serialize)]
pub(super) struct GatewayReport {
    pub(super) callers: u16,
    pub(super) request_bytes: usize,
    pub(super) reply_bytes: usize,
    pub(super) gateway_and_echo: Figures,
    pub(super) forward_and_echo: Figures,
    /// How much more CPU a call takes, as a part of what it takes without the gateway.
    pub(super) added: Option<f64>,
}

impl Figures {
    /// The median of each figure; calls and errors are added up.
    pub(super) fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        let names = rounds.first().map(|round| round.cpu_ms_by_process.clone()).unwrap_or_default();
        let by_process = names.into_iter().enumerate().map(|(place, (name, _))| {
            let values = rounds.iter().filter_map(|round| Some(round.cpu_ms_by_process.get(place)?.1));
            (name, median(values.collect()))
        });
        let postgres: Vec<_> = rounds.iter().filter_map(|round| round.postgres_cpu_ms).collect();
        Self {
            calls: rounds.iter().map(|round| round.calls).sum(),
            errors: rounds.iter().map(|round| round.errors).sum(),
            first_error: rounds.iter().find_map(|round| round.first_error.clone()),
            per_second: of(|round| round.per_second),
            p50_ms: of(|round| round.p50_ms),
            p95_ms: of(|round| round.p95_ms),
            p99_ms: of(|round| round.p99_ms),
            cpu_ms: of(|round| round.cpu_ms),
            cpu_ms_until_answered: of(|round| round.cpu_ms_until_answered),
            cpu_ms_by_process: by_process.collect(),
            postgres_cpu_ms: (!postgres.is_empty()).then(|| median(postgres)),
            driver_cpu_ms: of(|round| round.driver_cpu_ms),
            after_ms: of(|round| round.after_ms),
        }
    }
}

/// The middle, or the mean of the two middle ones; 0 of none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or_default();
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|place| values.get(place)).copied().unwrap_or(upper);
    f64::midpoint(lower, upper)
}

/// How many times one is the other; none if there is nothing to compare with.
pub(super) fn ratio(one: f64, other: f64) -> Option<f64> {
    (other > 0.0).then(|| one / other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!((median(vec![7.0]) - 7.0).abs() < 1e-9);
        assert!(median(Vec::new()).abs() < 1e-9);
    }

    #[test]
    fn figures_are_medians_and_errors_are_all_there() {
        let round = |per_second, errors| Figures {
            calls: 10,
            errors,
            per_second,
            cpu_ms_by_process: vec![("carts".into(), per_second / 10.0)],
            first_error: (errors > 0).then(|| "internal".into()),
            ..Figures::default()
        };
        let figures = Figures::median(&[round(100.0, 0), round(500.0, 2), round(200.0, 1)]);
        assert!((figures.per_second - 200.0).abs() < 1e-9);
        assert_eq!((figures.calls, figures.errors), (30, 3));
        assert_eq!(figures.first_error.as_deref(), Some("internal"));
        assert_eq!(figures.cpu_ms_by_process, [("carts".to_owned(), 20.0)]);
    }

    #[test]
    fn nothing_to_compare_with_is_no_ratio() {
        assert_eq!(ratio(6.0, 3.0), Some(2.0));
        assert_eq!(ratio(6.0, 0.0), None);
    }
}
