//! Latency in a few numbers.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Percentiles, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many there were.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// Half are not above.
    pub p50: f64,
    /// Nine in ten are not above.
    pub p90: f64,
    /// 95 in a hundred are not above.
    pub p95: f64,
    /// 99 in a hundred are not above.
    pub p99: f64,
    /// 999 in a thousand are not above.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// Latency of the answers of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// `all`, or what they waited for.
    pub start: String,
    /// In numbers.
    #[serde(rename = "milliseconds")]
    pub summary: Summary,
}

/// Microseconds as milliseconds.
pub(super) fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

impl Summary {
    pub(super) fn from_histogram(histogram: &Histogram<u64>) -> Self {
        let at = |percent: f64| millis(histogram.value_at_percentile(percent));
        Self {
            count: histogram.len(),
            mean: (histogram.mean().round()) / 1000.0,
            p50: at(50.0),
            p90: at(90.0),
            p95: at(95.0),
            p99: at(99.0),
            p999: at(99.9),
            max: millis(histogram.max()),
        }
    }
}
