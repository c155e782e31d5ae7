//! The changes between two runs, and whether they are more than chance.
//!
//! Requests close in time share their fate (a pause of the machine slows all of them), so single
//! requests are not independent and resampling them would promise far too much. Whole intervals
//! are resampled instead, within each part of the load, from both runs (a block bootstrap); their
//! histograms are added and the quantile is taken of the sum. Two runs of one build differ by more
//! than one run differs from itself, since machines have moods: a change counts only when the
//! interval leaves out zero and the change is at least a tenth and a millisecond. Runs that are not
//! valid tell of the generator: between them nothing counts.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::recorder::fine;
use crate::report::{Interval, LoadReport};
use crate::sample::SampleKind;
use fnlocal_api::StartKind;

/// Resamples. With 400, the ends of a 99 % interval are the second and the 398th.
const RESAMPLES: usize = 400;
/// The same resamples each time a comparison is made.
const SEED: u64 = 0x636f_6d70;
/// Shares of the resamples outside the interval, on each side.
const TAIL: f64 = 0.005;
/// Changes below these are no news, however certain.
const LEAST_SHARE: f64 = 0.10;
const LEAST_MICROS: f64 = 1000.0;
/// With fewer intervals there is nothing to resample.
const LEAST_INTERVALS: usize = 5;

/// One figure of two runs. Microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FigureChange {
    /// The scope: `warm`, `cold`, … or `all`.
    pub scope: String,
    /// The figure: `p50`, `p99`.
    pub metric: String,
    /// In the old run.
    pub old: u64,
    /// In the new one.
    pub new: u64,
    /// The minimum of the change, with 99 % confidence; `None` if there was too little data.
    pub low: Option<f64>,
    /// The most it may be.
    pub high: Option<f64>,
    /// More than chance, between runs that are valid.
    pub significant: bool,
}

/// The changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// When the old run began.
    pub old: String,
    pub changes: Vec<FigureChange>,
    /// Errors as a share of requests, in the old run and the new.
    pub errors: (f64, f64),
    /// Reasons why the runs are hard to compare.
    pub warnings: Vec<String>,
}

/// The compared scopes: everything, each start kind, and what strangers answered.
fn scopes() -> Vec<(&'static str, Vec<SampleKind>)> {
    let of_start = |start: StartKind| {
        let all = SampleKind::ALL.into_iter();
        (
            start.word(),
            all.filter(|kind| kind.start() == Some(start)).collect(),
        )
    };
    let mut scopes = vec![("all", SampleKind::ALL.to_vec())];
    scopes.extend(StartKind::ALL.map(of_start));
    scopes.push((SampleKind::Other.name(), vec![SampleKind::Other]));
    scopes
}

const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

/// Compares a run with an older one.
#[must_use]
pub fn compare(old: &LoadReport, new: &LoadReport) -> Comparison {
    let mut changes = Vec::new();
    for (scope, kinds) in scopes() {
        let count = |report: &LoadReport| -> u64 {
            let groups = report
                .kinds
                .iter()
                .filter(|group| kinds.contains(&group.kind));
            groups.map(|group| group.latency.count).sum()
        };
        let only = scope != "all" && count(new) == new.total.count && count(old) == old.total.count;
        if count(old) > 0 && count(new) > 0 && !only {
            changes.extend(changes_of(old, new, scope, &kinds));
        }
    }
    Comparison {
        old: old.began.clone(),
        changes,
        errors: (old.error_share(), new.error_share()),
        warnings: warnings(old, new),
    }
}

fn changes_of(
    old: &LoadReport,
    new: &LoadReport,
    scope: &str,
    kinds: &[SampleKind],
) -> Vec<FigureChange> {
    let mut rng = SmallRng::seed_from_u64(SEED);
    let (before, after) = (Blocks::new(old, kinds), Blocks::new(new, kinds));
    let resampled: Option<Vec<[f64; QUANTILES.len()]>> =
        (before.count >= LEAST_INTERVALS && after.count >= LEAST_INTERVALS).then(|| {
            let one = |_| {
                let (before, after) = (before.resample(&mut rng), after.resample(&mut rng));
                QUANTILES.map(|(_, quantile)| {
                    let (a, b) = (
                        before.value_at_quantile(quantile),
                        after.value_at_quantile(quantile),
                    );
                    b as f64 - a as f64
                })
            };
            (0..RESAMPLES).map(one).collect()
        });
    let valid = old.invalid.is_empty() && new.invalid.is_empty();
    let (a, b) = (before.all(), after.all());
    let each = QUANTILES.iter().enumerate();
    each.map(|(at, (metric, quantile))| {
        let (old, new) = (
            a.value_at_quantile(*quantile),
            b.value_at_quantile(*quantile),
        );
        let ends = resampled.as_ref().map(|all| {
            let mut one: Vec<f64> = all.iter().map(|changes| changes[at]).collect();
            one.sort_by(f64::total_cmp);
            let cut = (TAIL * one.len() as f64) as usize;
            (one[cut], one[one.len() - 1 - cut])
        });
        let change = new as f64 - old as f64;
        let large = change.abs() >= LEAST_MICROS.max(LEAST_SHARE * old as f64);
        FigureChange {
            scope: scope.to_owned(),
            metric: (*metric).to_owned(),
            old,
            new,
            low: ends.map(|(low, _)| low),
            high: ends.map(|(_, high)| high),
            significant: valid && large && ends.is_some_and(|(low, high)| low > 0.0 || high < 0.0),
        }
    })
    .collect()
}

/// Intervals with requests of some kinds, by part of the load.
struct Blocks {
    parts: BTreeMap<usize, Vec<Histogram<u64>>>,
    count: usize,
}

impl Blocks {
    fn new(report: &LoadReport, kinds: &[SampleKind]) -> Self {
        let mut parts: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        let mut count = 0;
        for interval in &report.intervals {
            let histogram = Interval::histogram(interval, kinds);
            if !histogram.is_empty() {
                parts.entry(interval.part).or_default().push(histogram);
                count += 1;
            }
        }
        Self { parts, count }
    }

    fn all(&self) -> Histogram<u64> {
        let mut all = fine();
        for histogram in self.parts.values().flatten() {
            // The histogram resizes itself, so nothing is out of range.
            let _infallible = all.add(histogram);
        }
        all
    }

    fn resample(&self, rng: &mut SmallRng) -> Histogram<u64> {
        let mut all = fine();
        for intervals in self.parts.values() {
            for _ in intervals {
                let pick = rng.random_range(0..intervals.len());
                let _infallible = all.add(&intervals[pick]);
            }
        }
        all
    }
}

fn warnings(old: &LoadReport, new: &LoadReport) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut differs = |what: &str, a: &str, b: &str| {
        if a != b {
            warnings.push(format!("the {what} differs: {a}, now {b}"));
        }
    };
    differs("shape", old.shape.name(), new.shape.name());
    differs("load", &old.load, &new.load);
    differs("scenario", &old.scenario, &new.scenario);
    differs(
        "processor",
        &old.environment.processor,
        &new.environment.processor,
    );
    differs("system", &old.environment.system, &new.environment.system);
    for (which, report) in [("old", old), ("new", new)] {
        if !report.invalid.is_empty() {
            warnings.push(format!(
                "the {which} run is not valid, so no change counts: {}",
                report.invalid.join("; ")
            ));
        }
    }
    warnings
}
