//! Reports as tables for people.

use std::fmt::Write as _;

use fnlocal_sim::SimulationReport;
use fnlocal_sim::report::Summary;
use fnlocal_sim::search::{PrescaleResult, Sweep};

use crate::lines::column_width;

/// A number of milliseconds, as short as it is clear.
pub fn time(millis: f64) -> String {
    match millis {
        m if m >= 10_000.0 => format!("{:.1} s", m / 1000.0),
        m if m >= 1000.0 => format!("{:.2} s", m / 1000.0),
        m if m >= 10.0 => format!("{m:.0} ms"),
        m => format!("{m:.1} ms"),
    }
}

/// A number of seconds as a time on the way.
pub fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A number with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One run.
pub fn report(report: &SimulationReport) -> String {
    let bold = anstyle::Style::new().bold();
    let dim = anstyle::Style::new().dimmed();
    let mut out = String::new();
    let setup = &report.setup;
    let requests = &report.requests;
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{bold}{} requests in {}{bold:#} {dim}to {} on {}, {} routing, seed {}{dim:#}\n",
        count(requests.arrived),
        clock(setup.duration),
        plural(setup.functions, "function"),
        setup.node,
        setup.routing,
        setup.seed
    );
    let _ = writeln!(out, "{}\n", verdict(report));
    let _ = writeln!(
        out,
        "{dim}answers      count      p50      p90      p95      p99      max{dim:#}"
    );
    for latency in &report.latency {
        let Summary {
            count: number,
            p50,
            p90,
            p95,
            p99,
            max,
            ..
        } = latency.summary;
        let times: String = [p50, p90, p95, p99, max]
            .map(|millis| format!(" {:>8}", time(millis)))
            .concat();
        let _ = writeln!(out, "{:<8} {:>9}{times}", latency.start, count(number));
    }
    if !report.refused.is_empty() {
        let _ = writeln!(
            out,
            "\n{dim}without an answer ({:.3} %){dim:#}",
            requests.error_percent
        );
        for refused in &report.refused {
            let _ = writeln!(
                out,
                "{:<22} {:>9}   {}",
                refused.reason,
                count(refused.count),
                refused.status
            );
        }
    }
    jobs(report, &mut out);
    let peak = &report.peak;
    let _ = writeln!(
        out,
        "\nmaximum      {}, {}, {} waiting",
        plural(peak.nodes, "node"),
        plural(peak.instances as usize, "instance"),
        count(peak.waiting)
    );
    scaling(report, &mut out);
    deaths(report, &mut out);
    let _ = writeln!(out, "cost         {}", cost(report));
    for note in &report.notes {
        let _ = writeln!(out, "{dim}note: {note}{dim:#}");
    }
    out
}

/// Triggered work, which is in none of what stands above it.
fn jobs(report: &SimulationReport, out: &mut String) {
    let Some(jobs) = &report.jobs else {
        return;
    };
    let dim = anstyle::Style::new().dimmed();
    let (waited, took) = (&jobs.waited, &jobs.took);
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "\n{dim}asynchronous{dim:#}  {}: {} done, {} cold, {} repeated, {} dead letters, maximum \
         {} waiting",
        plural(jobs.came as usize, "job"),
        count(jobs.done),
        count(jobs.cold),
        count(jobs.repeated),
        count(jobs.dead),
        count(jobs.backlog)
    );
    for (name, summary) in [("until it ran", waited), ("until it ended", took)] {
        let times = [summary.p50, summary.p95, summary.p99, summary.max].map(time);
        let [p50, p95, p99, max] = times;
        let _ = writeln!(out, "{name:<16} p50 {p50}, p95 {p95}, p99 {p99}, max {max}");
    }
}

fn plural(number: usize, word: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {word}{s}", count(number as u64))
}

fn scaling(report: &SimulationReport, out: &mut String) {
    const SHOWN: usize = 8;
    if report.scaling.is_empty() {
        return;
    }
    let first = report.scaling.iter().take(SHOWN);
    let words = first.map(|one| format!("{} at {}", one.nodes, clock(one.at)));
    let words: Vec<String> = words.collect();
    let more = report.scaling.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let _ = writeln!(out, "nodes wanted {}{more}", words.join(", "));
}

fn deaths(report: &SimulationReport, out: &mut String) {
    for died in &report.deaths {
        let _ = writeln!(
            out,
            "n{} died at {}: {} answered 502, {} served elsewhere",
            died.node,
            clock(died.at),
            plural(
                usize::try_from(died.broken).unwrap_or(usize::MAX),
                "request"
            ),
            count(died.repeated),
        );
    }
}

/// Returns a sentence on whether the objective was held.
pub fn verdict(report: &SimulationReport) -> String {
    let slo = &report.slo;
    let green = anstyle::AnsiColor::Green.on_default().bold();
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let stretch = match (slo.breaks_at, slo.breaks_until) {
        (Some(from), Some(until)) => format!(
            ", but not in {} between {} and {}",
            clock(slo.broken),
            clock(from),
            clock(until)
        ),
        _ => String::new(),
    };
    if slo.holds {
        format!("{green}holds{green:#} {}{stretch}", slo.objective)
    } else {
        let stretch = stretch.replacen(", but not in", ": broken for", 1);
        format!("{red}does not hold{red:#} {}{stretch}", slo.objective)
    }
}

/// Returns the cost, in a sentence.
pub fn cost(report: &SimulationReport) -> String {
    let cost = &report.cost;
    match cost.month {
        Some(month) => format!(
            "${month:.2} a month if it went on like this: {:.1} nodes on average and the balancer \
             (prices of {}, {}, on demand)",
            cost.nodes, cost.prices_of, cost.region
        ),
        None => "not known".to_owned(),
    }
}

/// Returns the result of a search.
pub fn found(found: &PrescaleResult) -> String {
    let bold = anstyle::Style::new().bold();
    let dim = anstyle::Style::new().dimmed();
    let mut out = format!(
        "{bold}{} nodes, {} before the load rises{bold:#}\n\n{dim}nodes  minutes  holds        p99  \
         errors{dim:#}\n",
        found.nodes,
        plural(found.minutes as usize, "minute")
    );
    for trial in &found.trials {
        let _ = writeln!(
            out,
            "{:>5}  {:>7}  {:<5} {:>10}  {:.3} %",
            trial.nodes,
            trial.minutes,
            if trial.holds { "yes" } else { "no" },
            time(trial.p99),
            trial.error_percent
        );
    }
    out.push('\n');
    out
}

/// Several runs, a line each.
pub fn sweep(sweep: &Sweep, reports: &[SimulationReport]) -> String {
    let dim = anstyle::Style::new().dimmed();
    let values = sweep.values.iter().map(String::len);
    let width = column_width(values.chain([sweep.key.len()]));
    let mut out = format!(
        "{dim}{:<width$}  holds       p50       p99   errors     cold  nodes  instances   $/month{dim:#}\n",
        sweep.key
    );
    for (value, report) in sweep.values.iter().zip(reports) {
        let all = report.latency.first().map(|all| all.summary);
        let all = all.unwrap_or_default();
        let month = report.cost.month.map(|month| format!("{month:.0}"));
        let _ = writeln!(
            out,
            "{value:<width$}  {:<5} {:>9} {:>9} {:>6.2} % {:>6.2} % {:>6} {:>10} {:>9}",
            if report.slo.holds { "yes" } else { "no" },
            time(all.p50),
            time(all.p99),
            report.requests.error_percent,
            report.requests.cold_percent,
            report.peak.nodes,
            count(report.peak.instances),
            month.as_deref().unwrap_or("?")
        );
    }
    let notes = reports.first().map(|report| report.notes.iter());
    for note in notes.into_iter().flatten() {
        let _ = writeln!(out, "{dim}note: {note}{dim:#}");
    }
    out
}
