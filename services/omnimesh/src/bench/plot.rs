//! The results as a drawing: each workload's rate, latency and CPU over the number of callers.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, Circle, Color as _, DrawingArea, IntoDrawingArea as _, LineSeries, Palette, Palette99,
        PathElement, SVGBackend, SeriesLabelPosition, WHITE,
    },
};

use super::{
    report::{Figures, ModeReport, Report},
    workload::Workload,
};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A line: its name, and a figure at each number of callers.
type Line = (String, Vec<f64>);

/// One of the figures.
type Figure = fn(&Figures) -> f64;

/// What is drawn of each workload.
const FIGURES: [(&str, Figure); 3] = [
    ("calls/s", |figures| figures.per_second),
    ("p99 ms", |figures| figures.p99_ms),
    ("CPU ms a call", |figures| figures.cpu_ms),
];
const PANEL: (u32, u32) = (380, 230);

/// Draws the report.
pub(super) fn draw(report: &Report, path: &Path) -> Result<()> {
    let mut workloads: Vec<_> =
        report.modes.iter().flat_map(|mode| &mode.workloads).map(|work| work.workload).collect();
    workloads.sort();
    workloads.dedup();
    let rows = u32::try_from(workloads.len().max(1))?;
    let columns = u32::try_from(FIGURES.len())?;
    let root = SVGBackend::new(path, (PANEL.0 * columns, PANEL.1 * rows)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let areas = root.split_evenly((workloads.len().max(1), FIGURES.len()));
    let panels = workloads.iter().flat_map(|workload| FIGURES.iter().map(move |figure| (*workload, figure)));
    for (area, (workload, (name, figure))) in areas.iter().zip(panels) {
        let lines: Vec<Line> = report.modes.iter().flat_map(|mode| lines(mode, workload, *figure)).collect();
        panel(area, &format!("{}: {name}", workload.title()), &callers(report, workload), &lines)?;
    }
    root.present().map_err(failed)
}

fn callers(report: &Report, workload: Workload) -> Vec<u16> {
    let of = |mode: &ModeReport| mode.workloads.iter().find(|work| work.workload == workload).cloned();
    let first = report.modes.iter().find_map(of);
    first.map(|work| work.at.iter().map(|at| at.callers).collect()).unwrap_or_default()
}

fn lines(mode: &ModeReport, workload: Workload, figure: Figure) -> Vec<Line> {
    let Some(work) = mode.workloads.iter().find(|work| work.workload == workload) else { return Vec::new() };
    let size = mode.size.map_or(String::new(), |size| format!(" {size}"));
    let name = format!("{:?}{size}", mode.mode).to_lowercase();
    vec![(name, work.at.iter().map(|at| figure(&at.figures)).collect())]
}

fn panel(area: &Area<'_>, title: &str, callers: &[u16], lines: &[Line]) -> Result<()> {
    let most = lines.iter().flat_map(|(_, values)| values).copied().fold(0.0, f64::max);
    let last = i32::try_from(callers.len().saturating_sub(1))?.max(1);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0..last, 0.0..(most * 1.4).max(0.001))
        .map_err(failed)?;
    let label = |place: &i32| {
        let callers = usize::try_from(*place).ok().and_then(|place| callers.get(place));
        callers.map(ToString::to_string).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(callers.len())
        .x_label_formatter(&label)
        .y_labels(5)
        .x_desc("callers")
        .light_line_style(WHITE)
        .draw()
        .map_err(failed)?;
    for (number, (name, values)) in lines.iter().enumerate() {
        let color = Palette99::pick(number).to_rgba();
        let points: Vec<(i32, f64)> = (0..).zip(values.iter().copied()).collect();
        chart
            .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))
            .map_err(failed)?
            .label(name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color.stroke_width(2)));
        chart.draw_series(points.into_iter().map(|point| Circle::new(point, 3, color.filled()))).map_err(failed)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 11))
        .draw()
        .map_err(failed)?;
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the drawing can't be made: {error}")
}
