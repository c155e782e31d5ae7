//! Measured times for `fnlocal simulate --calibrate`.
//!
//! Service times are the gateway's own (`Server-Timing`'s `handler`, from dispatch to the head of
//! the response), of requests that found a warm instance: what a cold one does first is no measure
//! of what it does later. Deliberately absent: `cpu`, which no response tells.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::recorder::fine;
use crate::run::{Gathered, LoadPlan};

/// The format of the file.
const VERSION: u32 = 1;
/// Fewer than this tell nothing of a distribution.
const MIN_SAMPLES: u64 = 5;

/// Measured times of functions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CalibrationFile {
    /// The format.
    pub version: u32,
    /// By function.
    pub functions: BTreeMap<String, MeasuredFunction>,
}

/// Measured times of one function, as percentiles in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MeasuredFunction {
    /// From dispatch to the head of the response.
    pub service: BTreeMap<String, f64>,
    /// From the request for an instance to its readiness, by `cold` and `spare`.
    pub starts: BTreeMap<String, BTreeMap<String, f64>>,
}

impl CalibrationFile {
    /// Returns the measurements of a run. Functions without enough warm answers are left out.
    #[must_use]
    pub fn new(gathered: &Gathered, plan: &LoadPlan) -> Self {
        let mut service: BTreeMap<&str, Histogram<u64>> = BTreeMap::new();
        let mut starts: BTreeMap<(&str, &str), Histogram<u64>> = BTreeMap::new();
        for ((step, kind), tally) in &gathered.recorder.tallies {
            let name = plan.scenario.steps[*step].function.as_str();
            let Some(phases) = &tally.phases else {
                continue;
            };
            let Some(start) = kind.start() else {
                continue;
            };
            // Histograms resize themselves, so nothing is out of range.
            let _infallible = if start.imports() {
                let all = starts.entry((name, start.word())).or_insert_with(fine);
                all.add(&tally.start)
            } else {
                let all = service.entry(name).or_insert_with(fine);
                all.add(&phases[4])
            };
        }
        let mut functions: BTreeMap<String, MeasuredFunction> = BTreeMap::new();
        for (name, histogram) in service.iter().filter(|(_, all)| all.len() >= MIN_SAMPLES) {
            let measured = functions.entry((*name).to_owned()).or_default();
            measured.service = percentiles(histogram);
        }
        for ((name, kind), histogram) in starts.iter().filter(|(_, all)| all.len() >= MIN_SAMPLES) {
            if let Some(measured) = functions.get_mut(*name) {
                let percentiles = percentiles(histogram);
                measured.starts.insert((*kind).to_owned(), percentiles);
            }
        }
        Self {
            version: VERSION,
            functions,
        }
    }
}

fn percentiles(histogram: &Histogram<u64>) -> BTreeMap<String, f64> {
    const AT: [(&str, f64); 10] = [
        ("min", 0.0),
        ("p10", 0.1),
        ("p25", 0.25),
        ("p50", 0.5),
        ("p75", 0.75),
        ("p90", 0.9),
        ("p95", 0.95),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("max", 1.0),
    ];
    let millis = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    let each = AT.into_iter();
    each.map(|(name, quantile)| (name.to_owned(), millis(quantile)))
        .collect()
}
