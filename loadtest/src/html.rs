//! The run as one page that needs nothing else: no network, no server.
//!
//! uPlot (MIT, its licence is in the page) draws what has a time axis; the rest is SVG made by the
//! page's own script. Deliberately absent: goose's page, whose charts come from the network.

mod data;

use std::collections::BTreeMap;

use fnlocal_bundles::{UPLOT_LICENCE, UPLOT_SCRIPT, UPLOT_STYLE};
use serde::Serialize;

use crate::budget::BudgetVerdict;
use crate::compare::Comparison;
use crate::report::LoadReport;
use crate::sample::SampleKind;

const PAGE: &str = include_str!("../assets/report.html");
const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");

#[derive(Serialize)]
struct Data<'a> {
    report: &'a LoadReport,
    charts: data::Charts,
    comparison: Option<&'a Comparison>,
    verdicts: &'a [BudgetVerdict],
    /// The names of kinds for people.
    labels: BTreeMap<&'static str, &'static str>,
}

/// The page.
#[must_use]
pub fn page(
    report: &LoadReport,
    comparison: Option<&Comparison>,
    verdicts: &[BudgetVerdict],
) -> String {
    let charts = data::Charts::new(report);
    // The data of charts need not be there twice.
    let mut report = report.clone();
    report.intervals.clear();
    let data = Data {
        report: &report,
        charts,
        comparison,
        verdicts,
        labels: SampleKind::ALL
            .map(|kind| (kind.name(), kind.label()))
            .into(),
    };
    let data = serde_json::to_string(&data).expect("plain numbers and texts");
    // Nothing in it may end the script it stands in.
    let data = data.replace('<', "\\u003c");
    let colour = |kind: SampleKind| format!("--{}: {}; ", kind.name(), kind.colour());
    let style = format!(
        ":root {{ {} }}\n{STYLE}",
        SampleKind::ALL.map(colour).concat()
    );
    let mut page = String::new();
    let mut rest = PAGE;
    let parts = [
        ("/*UPLOT_STYLE*/", UPLOT_STYLE),
        ("/*STYLE*/", style.as_str()),
        ("/*UPLOT_LICENCE*/", UPLOT_LICENCE),
        ("/*UPLOT*/", UPLOT_SCRIPT),
        ("/*DATA*/", data.as_str()),
        ("/*SCRIPT*/", SCRIPT),
    ];
    for (mark, part) in parts {
        let (before, after) = rest
            .split_once(mark)
            .expect("the page has each mark, in order");
        page.push_str(before);
        page.push_str(part);
        rest = after;
    }
    page.push_str(rest);
    page
}
