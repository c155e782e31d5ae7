//! The charts of a report.

use fnlocal_sim::SimulationReport;
use fnlocal_sim::report::Series;

use crate::simulate::chart::{Chart, ChartLine, ChartStyle};

/// Instances' states in the order they lie upon each other, with their places in the series.
const STATES: [(&str, usize, &str); 7] = [
    ("busy", 4, "c1"),
    ("idle", 3, "c2"),
    ("importing", 2, "c3"),
    ("starting", 0, "c4"),
    ("spare", 1, "c5"),
    ("paused", 5, "c6"),
    ("stopping", 6, "c7"),
];

/// All of them.
pub fn all<'a>(report: &'a SimulationReport, broken: &'a [bool]) -> Vec<Chart<'a>> {
    let series = &report.series;
    let chart = |title, unit, style, lines| Chart {
        title,
        unit,
        style,
        lines,
        width: series.width,
        broken,
    };
    let waiting = floats(series.waiting.iter().copied());
    vec![
        chart("Requests", "a second", ChartStyle::Lines, requests(series)),
        chart(
            "Latency",
            "ms, logarithmic",
            ChartStyle::Logarithmic,
            latency(series),
        ),
        chart("Nodes", "", ChartStyle::Lines, nodes(series)),
        chart(
            "Instances by state",
            "",
            ChartStyle::Stacked,
            instances(series),
        ),
        chart(
            "Requests that wait",
            "",
            ChartStyle::Lines,
            vec![line("waiting", "c4", waiting)],
        ),
        chart(
            "Cost of the nodes so far",
            "$",
            ChartStyle::Lines,
            vec![line("spent", "c5", spent(report))],
        ),
    ]
}

fn line<'a>(name: &'a str, class: &'a str, values: Vec<f64>) -> ChartLine<'a> {
    ChartLine {
        name,
        class,
        values,
    }
}

fn floats(values: impl Iterator<Item = u64>) -> Vec<f64> {
    values.map(|value| value as f64).collect()
}

fn requests(series: &Series) -> Vec<ChartLine<'_>> {
    let rate = |counts: &[u64]| {
        let rates = counts.iter().map(|&count| count as f64 / series.width);
        rates.collect::<Vec<f64>>()
    };
    vec![
        line("arrived", "c1", rate(&series.arrived)),
        line("answered", "c2", rate(&series.answered)),
        line("waited for a boot or import", "c3", rate(&series.cold)),
        line("refused", "c4", rate(&series.refused)),
    ]
}

fn latency(series: &Series) -> Vec<ChartLine<'_>> {
    vec![
        line("p50", "c2", series.p50.clone()),
        line("p95", "c1", series.p95.clone()),
        line("p99", "c4", series.p99.clone()),
    ]
}

fn nodes(series: &Series) -> Vec<ChartLine<'_>> {
    let serving = series.serving.iter().map(|&nodes| nodes as u64);
    let paid = series.paid.iter().map(|&nodes| u64::from(nodes));
    vec![
        line("in service", "c1", floats(serving)),
        line("paid for", "c3", floats(paid)),
    ]
}

fn instances(series: &Series) -> Vec<ChartLine<'_>> {
    let states = STATES.iter().map(|&(name, at, class)| {
        let values = series.instances.iter().map(|states| states[at]);
        line(name, class, floats(values))
    });
    states.collect()
}

/// US dollars spent on nodes up to each bucket's end.
fn spent(report: &SimulationReport) -> Vec<f64> {
    let hour = report.cost.node_hour;
    let width = report.series.width;
    let spent = report.series.paid.iter().scan(0.0, |sum, &paid| {
        *sum += f64::from(paid) * hour * width / 3600.0;
        Some(*sum)
    });
    spent.collect()
}
