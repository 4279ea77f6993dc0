//! The results as tables for a terminal.

use std::io::Write;

use anyhow::Result;

use super::{
    report::{At, Figures, ModeReport, Report, WorkloadReport, ratio},
    statements::{Kind, Ran},
};

/// Writes everything.
pub(super) fn write(report: &Report, statements: bool, out: &mut impl Write) -> Result<()> {
    let machine = &report.machine;
    writeln!(
        out,
        "omnimesh {} on {} cores ({}), load {} before; {} rounds of {:.1} s after {:.1} s; tracing 1 %",
        report.version,
        machine.cores,
        machine.processor,
        machine.load_before,
        report.pace.rounds,
        report.pace.round.as_secs_f64(),
        report.pace.warm_up.as_secs_f64()
    )?;
    for remark in &report.remarks {
        writeln!(out, "note: {remark}")?;
    }
    for mode in &report.modes {
        write_mode(mode, statements, out)?;
    }
    growth(report, out)?;
    aims(report, out)
}

fn aims(report: &Report, out: &mut impl Write) -> Result<()> {
    if report.aims.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n== aims")?;
    for aim in &report.aims {
        let verdict = if aim.met { "met" } else { "MISSED" };
        writeln!(out, "{verdict:<8}{:<56}{:>10.2}  ({} {:.2})", aim.what, aim.found, aim.bound, aim.limit)?;
    }
    Ok(())
}

/// What a call costs at each size, in relation to the smallest.
fn growth(report: &Report, out: &mut impl Write) -> Result<()> {
    let sized: Vec<_> = report.modes.iter().filter_map(|mode| Some((mode.size?, mode))).collect();
    let Some((smallest, first)) = sized.first() else { return Ok(()) };
    writeln!(out, "\n== growth, in relation to {smallest} orders, carts and profiles")?;
    writeln!(
        out,
        "{:<18}{:>8}{:>10}{:>10}{:>9}{:>9}{:>9}{:>9}",
        "", "callers", "size", "calls/s", "x", "x p50", "x CPU", "x pg CPU"
    )?;
    for (place, workload) in first.workloads.iter().enumerate() {
        for (at, before) in workload.at.iter().enumerate() {
            for (size, mode) in &sized {
                let Some(now) = mode.workloads.get(place).and_then(|work| work.at.get(at)) else { continue };
                let (now, then) = (&now.figures, &before.figures);
                let postgres = now.postgres_cpu_ms.zip(then.postgres_cpu_ms);
                writeln!(
                    out,
                    "{:<18}{:>8}{size:>10}{:>10.0}{:>9}{:>9}{:>9}{:>9}",
                    workload.workload.title(),
                    before.callers,
                    now.per_second,
                    optional(ratio(now.per_second, then.per_second), 2),
                    optional(ratio(now.p50_ms, then.p50_ms), 2),
                    optional(ratio(now.cpu_ms, then.cpu_ms), 2),
                    optional(postgres.and_then(|(now, then)| ratio(now, then)), 2),
                )?;
            }
        }
    }
    Ok(())
}

fn write_mode(mode: &ModeReport, statements: bool, out: &mut impl Write) -> Result<()> {
    writeln!(out, "\n== {} ({})", mode.mode.title(), mode.stores)?;
    if let Some(size) = mode.size {
        writeln!(out, "   {size} orders, carts and profiles, copied by SQL from ones that the mesh made")?;
    }
    writeln!(
        out,
        "   start {:.0} ms to the first answer ({:.0} ms with empty stores); at rest {:.0} MB, {:.1} ms CPU a second{}",
        mode.starts.again_ms,
        mode.starts.first_ms,
        megabytes(mode.idle_memory_bytes),
        mode.idle_cpu_ms_per_second,
        mode.idle_statements_per_second.map_or(String::new(), |rate| format!(", {rate:.0} statements a second"))
    )?;
    for disk in &mode.disk {
        writeln!(out, "   disk: {} {:.0}/s", disk.what, disk.per_second)?;
    }
    writeln!(
        out,
        "\n{:<18}{:>8}{:>10}{:>9}{:>9}{:>9}{:>7}{:>9}{:>8}{:>8}{:>9}{:>8}{:>7}",
        "",
        "callers",
        "calls/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "errors",
        "CPU ms",
        "x echo",
        "x 2hop",
        "x upsert",
        "pg ms",
        "MB"
    )?;
    for reference in &mode.references {
        row(reference.name, reference.callers, &reference.figures, None, out)?;
    }
    for workload in &mode.workloads {
        for at in &workload.at {
            if let Some(echo) = &at.echo {
                let name = format!("  echo {}/{} B", workload.request_bytes, workload.reply_bytes);
                row(&name, at.callers, echo, None, out)?;
            }
            if let Some(echo) = &at.echo_two_hops {
                row("  echo, two hops", at.callers, echo, None, out)?;
            }
            row(workload.workload.title(), at.callers, &at.figures, Some(at), out)?;
        }
    }
    for gateway in &mode.gateway {
        let name = format!("  before {}/{} B", gateway.request_bytes, gateway.reply_bytes);
        row(&name, gateway.callers, &gateway.forward_and_echo, None, out)?;
        row("gateway and echo", gateway.callers, &gateway.gateway_and_echo, None, out)?;
        let added = optional(gateway.added.map(|added| added * 100.0), 0);
        writeln!(out, "                     the gateway adds {added} % CPU to a bare echo over two hops")?;
    }
    if mode.workloads.iter().any(|workload| workload.statements.is_some()) {
        writeln!(
            out,
            "\n{:<18}{:>12}{:>9}   then by event: {:>11}{:>9}",
            "per call", "statements", "commits", "statements", "commits"
        )?;
        for workload in &mode.workloads {
            counts(workload, out)?;
        }
    }
    for workload in mode.workloads.iter().filter(|_| statements) {
        list(workload, out)?;
    }
    for workload in &mode.workloads {
        for at in &workload.at {
            if let Some(error) = &at.figures.first_error {
                writeln!(out, "{} at {} callers met {error}", workload.workload.title(), at.callers)?;
            }
        }
    }
    Ok(())
}

fn row(name: &str, callers: u16, figures: &Figures, at: Option<&At>, out: &mut impl Write) -> Result<()> {
    let cpu = if figures.cpu_ms > 0.0 { format!("{:.3}", figures.cpu_ms) } else { "-".to_owned() };
    writeln!(
        out,
        "{name:<18}{callers:>8}{:>10.0}{:>9.2}{:>9.2}{:>9.2}{:>7}{cpu:>9}{:>8}{:>8}{:>9}{:>8}{:>7}",
        figures.per_second,
        figures.p50_ms,
        figures.p95_ms,
        figures.p99_ms,
        figures.errors,
        optional(at.and_then(|at| at.cpu_to_echo), 1),
        optional(at.and_then(|at| at.cpu_to_echo_two_hops), 1),
        optional(at.and_then(|at| at.rate_to_upsert), 2),
        optional(figures.postgres_cpu_ms, 3),
        at.map_or(String::new(), |at| format!("{:.0}", megabytes(at.memory_bytes))),
    )?;
    Ok(())
}

fn counts(workload: &WorkloadReport, out: &mut impl Write) -> Result<()> {
    let (Some(ran), Some(after)) = (&workload.statements, &workload.statements_after) else { return Ok(()) };
    writeln!(
        out,
        "{:<18}{:>12.2}{:>9.2}                  {:>11.2}{:>9.2}",
        workload.workload.title(),
        ran.statements,
        ran.commits,
        after.statements,
        after.commits
    )?;
    Ok(())
}

fn list(workload: &WorkloadReport, out: &mut impl Write) -> Result<()> {
    let parts = [(&workload.statements, "by itself"), (&workload.statements_after, "then by event")];
    for (ran, title) in parts {
        let Some(Ran { listed, .. }) = ran else { continue };
        writeln!(out, "\n{}, {title}", workload.workload.title())?;
        for statement in listed.iter().filter(|statement| statement.kind != Kind::Control) {
            writeln!(out, "{:>8.2}  {}", statement.per_call, shortened(&statement.sql))?;
        }
    }
    Ok(())
}

fn shortened(sql: &str) -> String {
    const LONGEST: usize = 200;
    match sql.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", sql.get(..end).unwrap_or(sql)),
        None => sql.to_owned(),
    }
}

fn optional(figure: Option<f64>, digits: usize) -> String {
    figure.map_or("-".to_owned(), |figure| format!("{figure:.digits$}"))
}

fn megabytes(bytes: u64) -> f64 {
    super::rounds::float(bytes) / 1_048_576.0
}
