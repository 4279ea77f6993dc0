//! What the mesh is to reach on a machine of two cores, and whether it did.

use serde::Serialize;

use super::{
    args::Mode,
    report::{At, ModeReport, Report, WorkloadReport, ratio},
    rounds::float,
    workload::Workload,
};

/// Counts are of some hundred calls: what runs by chance beside them is no miss.
const CHANCE: f64 = 0.1;
const MEGABYTE: f64 = 1_048_576.0;
/// At this many callers rates and memory are to be reached.
const MANY: u16 = 64;

/// One aim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Aim {
    pub(super) what: String,
    pub(super) found: f64,
    /// `at most` or `at least`.
    pub(super) bound: &'static str,
    pub(super) limit: f64,
    pub(super) met: bool,
}

/// Every aim of which there is a figure.
pub(super) fn of(report: &Report) -> Vec<Aim> {
    let mut aims = Vec::new();
    for mode in report.modes.iter().filter(|mode| mode.size.is_none()) {
        match mode.mode {
            Mode::Stores => of_stores(mode, &mut aims),
            Mode::Embedded => {
                let import = work(mode, Workload::ImportOrders).into_iter().flat_map(|work| &work.at);
                if let Some(best) = import.map(|at| at.figures.per_second).max_by(f64::total_cmp) {
                    aims.push(at_least("embedded: ImportOrders documents/s", best, 2_000.0));
                }
            }
            Mode::Split => {
                for gateway in &mode.gateway {
                    let what = format!(
                        "gateway before an echo of {}/{} B at {} callers: CPU to two bare hops",
                        gateway.request_bytes, gateway.reply_bytes, gateway.callers
                    );
                    aims.extend(gateway.added.map(|added| at_most(what, added + 1.0, 1.25)));
                }
            }
        }
    }
    flat(report, &mut aims);
    aims
}

fn of_stores(mode: &ModeReport, aims: &mut Vec<Aim>) {
    let counts = [
        (Workload::AddLine, 5.0, Some(1.0), Some(0.5)),
        (Workload::GetCart, 2.0, None, None),
        (Workload::PlaceOrder, 20.0, Some(5.0), Some(2.0)),
    ];
    for (workload, statements, commits, cpu) in counts {
        let (Some(work), name) = (work(mode, workload), workload.title()) else { continue };
        if let Some(ran) = &work.statements {
            aims.push(about(format!("{name}: statements a call"), ran.statements, statements));
            aims.extend(commits.map(|most| about(format!("{name}: commits a call"), ran.commits, most)));
        }
        for at in &work.at {
            let what = format!("{name} at {} callers: CPU ms a call, events included", at.callers);
            aims.extend(cpu.map(|most| at_most(what, at.figures.cpu_ms, most)));
        }
    }
    if let Some(at) = many(mode, Workload::AddLine) {
        let rate = at.rate_to_upsert.unwrap_or_default();
        aims.push(at_least(format!("AddLine at {MANY} callers: rate to the one-row upsert's"), rate, 0.5));
    }
    aims.push(at_most("memory at rest, MB", float(mode.idle_memory_bytes) / MEGABYTE, 60.0));
    let most = mode.workloads.iter().flat_map(|work| &work.at).filter(|at| at.callers == MANY);
    if let Some(most) = most.map(|at| at.memory_bytes).max() {
        aims.push(at_most(format!("memory at {MANY} callers, MB"), float(most) / MEGABYTE, 256.0));
    }
    aims.push(at_most("start to the first answer, ms", mode.starts.again_ms, 1_000.0));
}

/// Each larger size against the smallest.
fn flat(report: &Report, aims: &mut Vec<Aim>) {
    let sized: Vec<_> = report.modes.iter().filter_map(|mode| Some((mode.size?, mode))).collect();
    let Some(((_, first), larger)) = sized.split_first() else { return };
    for (size, mode) in larger.iter().filter(|(_, mode)| mode.mode == first.mode) {
        for (work, grown) in first.workloads.iter().zip(&mode.workloads) {
            for (then, now) in work.at.iter().zip(&grown.at) {
                let what = format!(
                    "{} at {} callers, {size}: CPU with Postgres' to the smallest size's",
                    grown.workload.title(),
                    now.callers
                );
                aims.extend(ratio(all_cpu(now), all_cpu(then)).map(|times| at_most(what, times, 1.2)));
            }
        }
    }
}

fn all_cpu(at: &At) -> f64 {
    at.figures.cpu_ms + at.figures.postgres_cpu_ms.unwrap_or(0.0)
}

fn work(mode: &ModeReport, workload: Workload) -> Option<&WorkloadReport> {
    mode.workloads.iter().find(|work| work.workload == workload)
}

fn many(mode: &ModeReport, workload: Workload) -> Option<&At> {
    work(mode, workload)?.at.iter().find(|at| at.callers == MANY)
}

/// At most, but for what runs by chance.
fn about(what: impl Into<String>, found: f64, limit: f64) -> Aim {
    Aim { met: found <= limit + CHANCE, ..at_most(what, found, limit) }
}

fn at_most(what: impl Into<String>, found: f64, limit: f64) -> Aim {
    Aim { what: what.into(), found, bound: "at most", limit, met: found <= limit }
}

fn at_least(what: impl Into<String>, found: f64, limit: f64) -> Aim {
    Aim { what: what.into(), found, bound: "at least", limit, met: found >= limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_met_or_missed() {
        assert!(at_most("a", 5.0, 5.0).met && !at_most("a", 5.2, 5.0).met);
        assert!(about("a", 5.06, 5.0).met && !about("a", 5.2, 5.0).met);
        assert!(at_least("a", 0.5, 0.5).met && !at_least("a", 0.49, 0.5).met);
    }
}
