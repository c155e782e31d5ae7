//! A run in a few lines, for a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::budget::BudgetVerdict;
use crate::compare::Comparison;
use crate::report::{LatencySummary, LoadReport};
use crate::run::LiveProgress;
use crate::words::millis;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const YELLOW: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
const GREEN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));

/// The progress line.
#[must_use]
pub fn progress(live: &LiveProgress) -> String {
    let mut line = format!("{:>4.0} s", live.elapsed.as_secs_f64());
    if let Some(length) = live.length {
        let _infallible = write!(line, " of {:.0}", length.as_secs_f64());
    }
    let value = |micros: Option<u64>| micros.map_or_else(|| "-".to_owned(), millis);
    let _infallible = write!(
        line,
        "  {:>7.0}/s  p50 {:>8}  p99 {:>8}  errors {}",
        live.rate,
        value(live.p50),
        value(live.p99),
        live.errors
    );
    if let (Some(instances), Some(queued)) = (live.instances, live.queued) {
        let _infallible = write!(line, "  instances {instances}  queued {queued}");
    }
    if !live.phase.is_empty() {
        let _infallible = write!(line, "  {}", live.phase);
    }
    line
}

/// The run in a few lines.
#[must_use]
pub fn summary(report: &LoadReport) -> String {
    let mut text = format!(
        "\n{BOLD}{}{BOLD:#} {}  {DIM}{} → {}{DIM:#}\n",
        report.shape.name(),
        report.load,
        report.scenario,
        report.target
    );
    if report.interrupted {
        let _infallible = writeln!(text, "{YELLOW}ended early{YELLOW:#}");
    }
    for reason in &report.invalid {
        let _infallible = writeln!(
            text,
            "{RED}not valid{RED:#}: the generator was the bottleneck, {reason}"
        );
    }
    let colour = if report.errors > 0 { RED } else { GREEN };
    let _infallible = writeln!(
        text,
        "{} requests in {:.1} s, {:.1} answers/s, {colour}{} errors ({:.2} %){colour:#}\n",
        report.sent,
        report.took_ms as f64 / 1000.0,
        report.rate(),
        report.errors,
        report.error_share() * 100.0
    );
    text.push_str(&table(report));
    for failure in &report.failures {
        let _infallible = writeln!(
            text,
            "  {RED}{}{RED:#}: {}",
            failure.reason, failure.requests
        );
    }
    if report.unanswered > 0 {
        let _infallible = writeln!(
            text,
            "  {YELLOW}not waited for{YELLOW:#}: {}",
            report.unanswered
        );
    }
    if report.retried > 0 {
        let _infallible = writeln!(
            text,
            "  {YELLOW}sent once more{YELLOW:#}, since the target closed an idle connection: {}",
            report.retried
        );
    }
    text.push_str(&gateway(report));
    let _infallible = writeln!(
        text,
        "{DIM}sent late by p50 {}, p99 {}. {}{DIM:#}",
        millis(report.lag.p50),
        millis(report.lag.p99),
        report.omission
    );
    text
}

fn table(report: &LoadReport) -> String {
    let mut text = format!(
        "  {DIM}{:<12}{:<10}{:>9}{:>7}{:>11}{:>11}{:>11}{:>11}{DIM:#}\n",
        "function", "start", "requests", "errors", "p50", "p99", "p99.9", "max"
    );
    let mut line = |function: &str, kind: &str, errors: u64, one: &LatencySummary| {
        let _infallible = writeln!(
            text,
            "  {function:<12}{kind:<10}{:>9}{errors:>7}{:>11}{:>11}{:>11}{:>11}",
            one.count,
            millis(one.p50),
            millis(one.p99),
            millis(one.p999),
            millis(one.max)
        );
    };
    for group in &report.functions {
        let function = group.function.as_deref().unwrap_or("-");
        line(function, group.kind.name(), group.errors, &group.latency);
    }
    line("all", "", report.errors, &report.total);
    text
}

fn gateway(report: &LoadReport) -> String {
    let Some(gateway) = &report.gateway else {
        return String::new();
    };
    let samples = gateway.samples.iter();
    let most = samples.clone().map(|sample| sample.all).max().unwrap_or(0);
    let queued = samples.map(|sample| sample.queued).max().unwrap_or(0);
    let mut text = format!("  gateway: at most {most} instances and {queued} waiting requests, ");
    if gateway.differences.is_empty() {
        let _infallible = writeln!(text, "{GREEN}its counts agree{GREEN:#}");
    } else {
        let _infallible = writeln!(text, "{YELLOW}its counts differ{YELLOW:#}:");
        for difference in &gateway.differences {
            let _infallible = writeln!(text, "    {difference}");
        }
    }
    text
}

/// Returns the changes, for a terminal.
#[must_use]
pub fn comparison(comparison: &Comparison) -> String {
    let mut text = format!(
        "\n{BOLD}compared with the run of {}{BOLD:#}\n",
        comparison.old
    );
    for warning in &comparison.warnings {
        let _infallible = writeln!(text, "  {YELLOW}!{YELLOW:#} {warning}");
    }
    for change in &comparison.changes {
        let percent = (change.new as f64 / change.old.max(1) as f64 - 1.0) * 100.0;
        let range = match (change.low, change.high) {
            (Some(low), Some(high)) => {
                format!(
                    "99 % between {:+.2} and {:+.2} ms",
                    low / 1000.0,
                    high / 1000.0
                )
            }
            _ => "too few intervals to tell".to_owned(),
        };
        let (word, colour) = match (change.significant, change.new > change.old) {
            (true, true) => ("slower", RED),
            (true, false) => ("faster", GREEN),
            (false, _) => ("no significant change", DIM),
        };
        let _infallible = writeln!(
            text,
            "  {:<8}{:<5}{:>11} → {:<11}{percent:>+7.1} %  {range}  {colour}{word}{colour:#}",
            change.scope,
            change.metric,
            millis(change.old),
            millis(change.new)
        );
    }
    let (old, new) = comparison.errors;
    let _infallible = writeln!(
        text,
        "  errors  {:.3} % → {:.3} %",
        old * 100.0,
        new * 100.0
    );
    text
}

/// Budgets and whether they were kept, for a terminal.
#[must_use]
pub fn budgets(verdicts: &[BudgetVerdict]) -> String {
    let mut text = String::new();
    for verdict in verdicts {
        let (mark, colour) = match (verdict.failed, &verdict.found) {
            (true, _) => ("✗", RED),
            (false, Some(_)) => ("✓", GREEN),
            (false, None) => ("·", YELLOW),
        };
        let _infallible = writeln!(text, "  {colour}{mark}{colour:#} {verdict}");
    }
    text
}
