//! A report as one page that needs nothing else: no network, no script.

mod charts;

use std::fmt::Write as _;

use fnlocal_sim::SimulationReport;

use super::chart::figure;
use super::table::{clock, cost, count, time};

const STYLE: &str = include_str!("page.css");

/// The page; several runs stand one below the other, each under its title.
pub fn page(runs: &[(String, &SimulationReport)]) -> String {
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

/// A number of functions.
fn functions(number: usize) -> String {
    match number {
        1 => "1 function".to_owned(),
        number => format!("{number} functions"),
    }
}

fn run(title: &str, report: &SimulationReport, out: &mut String) {
    let setup = &report.setup;
    let requests = &report.requests;
    if !title.is_empty() {
        let _ = write!(out, "<h1>{}</h1>", escape(title));
    }
    let _ = write!(
        out,
        "<h2>{} requests in {}</h2><p class=\"sub\">{} on {}, {} routing, limits of {}, \
         seed {}</p>",
        count(requests.arrived),
        clock(setup.duration),
        functions(setup.functions),
        escape(&setup.node),
        setup.routing.replace('_', " "),
        setup.profile,
        setup.seed
    );
    cards(report, out);
    out.push_str("<div class=\"charts\">");
    let broken: Vec<bool> = report.series.held.iter().map(|held| !held).collect();
    for chart in charts::all(report, &broken) {
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

fn cards(report: &SimulationReport, out: &mut String) {
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
                "nodes and {} instances at the peak",
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

fn tables(report: &SimulationReport, out: &mut String) {
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
    if !report.deaths.is_empty() {
        out.push_str("<table><tr><th>node died<th>at<th>answered 502<th>served elsewhere</tr>");
        for died in &report.deaths {
            let _ = write!(
                out,
                "<tr><td>n{}<td>{}<td>{}<td>{}</tr>",
                died.node,
                clock(died.at),
                count(died.broken),
                count(died.repeated)
            );
        }
        out.push_str("</table>");
    }
    if !report.scaling.is_empty() {
        out.push_str("<table><tr><th>nodes wanted<th>at<th>why</tr>");
        for one in &report.scaling {
            let why = one.why.word();
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
