//! The run in intervals: what charts and comparisons are made of.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::profile::Segment;
use crate::recorder::{Cell, SampleRecorder, fine};
use crate::sample::SampleKind;

/// A part of the load, such as the rise of a spike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadPart {
    /// Its name.
    pub name: String,
    /// When it begins, in milliseconds from the beginning of the run.
    pub from_ms: u64,
}

/// Requests that were to be sent in the same span of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Interval {
    /// The part of the load that it is in.
    pub part: usize,
    /// Those that were errors.
    pub errors: u64,
    /// Latencies by kind: pairs of microseconds (to a hundredth) and how many.
    pub latencies: BTreeMap<SampleKind, Vec<(u64, u64)>>,
}

impl Interval {
    /// The latencies of some kinds, added to a histogram.
    pub fn add_to(&self, all: &mut Histogram<u64>, kinds: &[SampleKind]) {
        for kind in kinds {
            for &(latency, count) in self.latencies.get(kind).into_iter().flatten() {
                // The histogram resizes itself, so nothing is out of range.
                let _infallible = all.record_n(latency, count);
            }
        }
    }

    /// The latencies of some kinds.
    #[must_use]
    pub fn histogram(&self, kinds: &[SampleKind]) -> Histogram<u64> {
        let mut all = fine();
        self.add_to(&mut all, kinds);
        all
    }
}

/// Parts of a load.
pub(super) fn parts(segments: &[Segment]) -> Vec<LoadPart> {
    let mut from = 0;
    let mut parts = Vec::new();
    for segment in segments {
        parts.push(LoadPart {
            name: segment.name.clone(),
            from_ms: from,
        });
        from += segment.length.as_millis() as u64;
    }
    if parts.is_empty() {
        parts.push(LoadPart {
            name: "all".to_owned(),
            from_ms: 0,
        });
    }
    parts
}

pub(super) fn intervals(recorder: &SampleRecorder, parts: &[LoadPart]) -> Vec<Interval> {
    let width = recorder.width.as_millis() as u64;
    let each = recorder.intervals.iter().enumerate();
    each.map(|(at, cells)| {
        // By its middle: an interval in which the load changes belongs to the longer part of it.
        let middle = at as u64 * width + width / 2;
        let part = parts.iter().rposition(|part| part.from_ms <= middle);
        let mut interval = Interval {
            part: part.unwrap_or(0),
            ..Interval::default()
        };
        for (kind, cell) in SampleKind::ALL.into_iter().zip(cells) {
            let Some(cell) = cell else { continue };
            interval.errors += cell.errors;
            interval.latencies.insert(kind, pairs(cell));
        }
        interval
    })
    .collect()
}

fn pairs(cell: &Cell) -> Vec<(u64, u64)> {
    let recorded = cell.latency.iter_recorded();
    let pair = |value: hdrhistogram::iterators::IterationValue<u32>| {
        let at = value.value_iterated_to();
        (
            cell.latency.median_equivalent(at),
            value.count_since_last_iteration(),
        )
    };
    recorded.map(pair).collect()
}
