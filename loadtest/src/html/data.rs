//! The figures charts are made of.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::recorder::fine;
use crate::report::LoadReport;
use crate::sample::SampleKind;

/// Bars a factor of ten in the histogram.
const BARS: f64 = 12.0;

/// The figures charts are made of. Times in milliseconds, gaps as null.
#[derive(Serialize)]
pub(super) struct Charts {
    /// The intervals' beginnings, in seconds.
    seconds: Vec<f64>,
    /// Requests a second that were due.
    rate: Vec<f64>,
    /// Errors a second.
    errors: Vec<f64>,
    /// Latencies by kind.
    kinds: Vec<KindLines>,
    /// How often which latency was.
    histogram: Bars,
}

#[derive(Serialize)]
struct KindLines {
    kind: SampleKind,
    count: u64,
    p50: Vec<Option<f64>>,
    p99: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
}

#[derive(Serialize)]
struct Bars {
    /// Lower ends, and the upper end of the last.
    edges: Vec<f64>,
    /// How many, by kind.
    counts: BTreeMap<SampleKind, Vec<u64>>,
}

impl Charts {
    pub(super) fn new(report: &LoadReport) -> Self {
        let width = report.width_ms as f64 / 1000.0;
        let each = || report.intervals.iter();
        let requests = |interval: &crate::report::Interval| -> u64 {
            let pairs = interval.latencies.values().flatten();
            pairs.map(|&(_, count)| count).sum()
        };
        Self {
            seconds: (0..report.intervals.len())
                .map(|at| at as f64 * width)
                .collect(),
            rate: each().map(|one| requests(one) as f64 / width).collect(),
            errors: each().map(|one| one.errors as f64 / width).collect(),
            kinds: SampleKind::ALL
                .into_iter()
                .filter_map(|kind| lines(report, kind))
                .collect(),
            histogram: bars(report),
        }
    }
}

fn lines(report: &LoadReport, kind: SampleKind) -> Option<KindLines> {
    let intervals: Vec<Histogram<u64>> = report
        .intervals
        .iter()
        .map(|interval| interval.histogram(&[kind]))
        .collect();
    let count = intervals.iter().map(Histogram::len).sum();
    let line = |quantile: f64| {
        let millis = |one: &Histogram<u64>| {
            (!one.is_empty()).then(|| one.value_at_quantile(quantile) as f64 / 1000.0)
        };
        intervals.iter().map(millis).collect()
    };
    (count > 0).then(|| KindLines {
        kind,
        count,
        p50: line(0.5),
        p99: line(0.99),
        max: line(1.0),
    })
}

fn bars(report: &LoadReport) -> Bars {
    let mut all: BTreeMap<SampleKind, Histogram<u64>> = BTreeMap::new();
    for interval in &report.intervals {
        for kind in interval.latencies.keys() {
            interval.add_to(all.entry(*kind).or_insert_with(fine), &[*kind]);
        }
    }
    let bar = |micros: u64| ((micros.max(1) as f64).log10() * BARS).floor() as i64;
    let least = all.values().map(Histogram::min).min().map_or(0, bar);
    let most = all.values().map(Histogram::max).max().map_or(0, bar);
    let edge = |bar: i64| 10_f64.powf(bar as f64 / BARS) / 1000.0;
    let counts = all.iter().map(|(kind, histogram)| {
        let mut counts = vec![0; (most - least + 1) as usize];
        for value in histogram.iter_recorded() {
            let at = (bar(value.value_iterated_to()) - least).clamp(0, most - least);
            counts[at as usize] += value.count_since_last_iteration();
        }
        (*kind, counts)
    });
    Bars {
        counts: counts.collect(),
        edges: (least..=most + 1).map(edge).collect(),
    }
}
