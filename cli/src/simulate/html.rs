//! A report as one page that needs nothing else: no network, no script.

use std::fmt::Write as _;

use fnlocal_sim::Report;

use super::chart::{Chart, Line, Style, figure};
use super::table::{clock, cost, count, time};

const STYLE: &str = include_str!("page.css");

/// The page; several runs stand one below the other, each under its title.
pub fn page(runs: &[(String, &Report)]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>fnlocal simulate</title><style>{STYLE}</style></head><body>\n"
    );
    for (title, report) in runs {
        run(title, report, &mut out);
    }
    out.push_str("</body></html>\n");
    out
}

/// Text as it may stand in HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn run(title: &str, report: &Report, out: &mut String) {
    let setup = &report.setup;
    let requests = &report.requests;
    if !title.is_empty() {
        let _ = write!(out, "<h1>{}</h1>", escape(title));
    }
    let _ = write!(
        out,
        "<h2>{} requests in {}</h2><p class=\"sub\">{} functions on {}, {} routing, limits of {}, \
         seed {}</p>",
        count(requests.arrived),
        clock(setup.duration),
        setup.functions,
        escape(&setup.node),
        setup.routing.replace('_', " "),
        setup.profile,
        setup.seed
    );
    cards(report, out);
    out.push_str("<div class=\"charts\">");
    let broken: Vec<bool> = report.series.held.iter().map(|held| !held).collect();
    for chart in charts(report, &broken) {
        out.push_str(&figure(&chart));
    }
    out.push_str("</div><div class=\"tables\">");
    tables(report, out);
    out.push_str("</div>");
    let _ = write!(out, "<p class=\"note\">Cost: {}</p>", cost(report));
    for note in &report.notes {
        let _ = write!(out, "<p class=\"note\">{}</p>", escape(note));
    }
}

fn cards(report: &Report, out: &mut String) {
    let slo = &report.slo;
    let all = report.latency.first().map(|all| all.summary);
    let all = all.unwrap_or_default();
    let (class, word) = if slo.holds {
        ("good", "holds")
    } else {
        ("ill", "does not hold")
    };
    let stretch = match slo.breaks_at {
        Some(from) => format!(
            "not held for {}, first at {}",
            clock(slo.broken),
            clock(from)
        ),
        None => "held throughout".to_owned(),
    };
    let cards = [
        (
            word.to_owned(),
            format!("{}; {stretch}", escape(&slo.objective)),
            class,
        ),
        (
            format!("{} / {}", time(all.p50), time(all.p99)),
            "median and 99th percentile".to_owned(),
            "",
        ),
        (
            format!("{:.2} %", report.requests.error_percent),
            "of requests without an answer".to_owned(),
            "",
        ),
        (
            format!("{:.2} %", report.requests.cold_percent),
            "of answers waited for a boot or an import".to_owned(),
            "",
        ),
        (
            count(report.peak.nodes as u64),
            format!(
                "nodes at the most, {} instances",
                count(report.peak.instances)
            ),
            "",
        ),
        (
            report
                .cost
                .month
                .map_or_else(|| "?".to_owned(), |month| format!("${month:.0}")),
            format!("a month, {:.1} nodes on average", report.cost.nodes),
            "",
        ),
    ];
    out.push_str("<div class=\"cards\">");
    for (number, words, class) in cards {
        let _ = write!(
            out,
            "<div class=\"{class}\"><b>{number}</b><span>{words}</span></div>"
        );
    }
    out.push_str("</div>");
}

fn charts<'a>(report: &'a Report, broken: &'a [bool]) -> Vec<Chart<'a>> {
    let series = &report.series;
    let per_second = |counts: &[u64]| -> Vec<f64> {
        let rate = |&count: &u64| count as f64 / series.width;
        counts.iter().map(rate).collect()
    };
    let line = |name, class, values| Line {
        name,
        class,
        values,
    };
    let chart = |title, unit, style, lines| Chart {
        title,
        unit,
        style,
        lines,
        width: series.width,
        broken,
    };
    let floats = |values: Vec<u64>| values.into_iter().map(|value| value as f64).collect();
    let states = [
        ("busy", 4, "c1"),
        ("idle", 3, "c2"),
        ("importing", 2, "c3"),
        ("starting", 0, "c4"),
        ("spare", 1, "c5"),
        ("paused", 5, "c6"),
        ("stopping", 6, "c7"),
    ];
    let states = states.map(|(name, at, class)| {
        let values = series.instances.iter().map(|states| states[at]);
        line(name, class, floats(values.collect()))
    });
    let hour = report.cost.month.map_or(0.0, |month| {
        let nodes = month - report.cost.balancer_month;
        nodes / report.cost.nodes.max(f64::MIN_POSITIVE) / 730.0
    });
    let spent = series.paid.iter().scan(0.0, |sum, &paid| {
        *sum += f64::from(paid) * hour * series.width / 3600.0;
        Some(*sum)
    });
    vec![
        chart(
            "Requests",
            "a second",
            Style::Lines,
            vec![
                line("arrived", "c1", per_second(&series.arrived)),
                line("answered", "c2", per_second(&series.answered)),
                line(
                    "waited for a boot or import",
                    "c3",
                    per_second(&series.cold),
                ),
                line("refused", "c4", per_second(&series.refused)),
            ],
        ),
        chart(
            "Latency",
            "ms, logarithmic",
            Style::Logarithmic,
            vec![
                line("p50", "c2", series.p50.clone()),
                line("p95", "c1", series.p95.clone()),
                line("p99", "c4", series.p99.clone()),
            ],
        ),
        chart(
            "Nodes",
            "",
            Style::Lines,
            vec![
                line(
                    "in service",
                    "c1",
                    series.serving.iter().map(|&n| n as f64).collect(),
                ),
                line(
                    "paid for",
                    "c3",
                    series.paid.iter().map(|&n| f64::from(n)).collect(),
                ),
            ],
        ),
        chart("Instances by state", "", Style::Stacked, states.into()),
        chart(
            "Requests that wait",
            "",
            Style::Lines,
            vec![line("waiting", "c4", floats(series.waiting.clone()))],
        ),
        chart(
            "Cost of the nodes so far",
            "$",
            Style::Lines,
            vec![line("spent", "c5", spent.collect())],
        ),
    ]
}

fn tables(report: &Report, out: &mut String) {
    out.push_str(
        "<table><tr><th>answers<th>count<th>p50<th>p90<th>p95<th>p99<th>p99.9<th>max</tr>",
    );
    for latency in &report.latency {
        let it = latency.summary;
        let _ = write!(out, "<tr><td>{}<td>{}", latency.start, count(it.count));
        for millis in [it.p50, it.p90, it.p95, it.p99, it.p999, it.max] {
            let _ = write!(out, "<td>{}", time(millis));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
    if !report.refused.is_empty() {
        out.push_str("<table><tr><th>without an answer<th>status<th>count</tr>");
        for refused in &report.refused {
            let _ = write!(
                out,
                "<tr><td>{}<td>{}<td>{}</tr>",
                refused.reason.replace('_', " "),
                refused.status,
                count(refused.count)
            );
        }
        out.push_str("</table>");
    }
    if !report.scaling.is_empty() {
        out.push_str("<table><tr><th>nodes wanted<th>at<th>why</tr>");
        for one in &report.scaling {
            let why = format!("{:?}", one.why).to_lowercase();
            let _ = write!(
                out,
                "<tr><td>{}<td>{}<td>{why}</tr>",
                one.nodes,
                clock(one.at)
            );
        }
        out.push_str("</table>");
    }
}
