//! Gathers samples into histograms.
//!
//! Each worker has one of its own and is the only one to lock it, but for the moments in which the
//! progress line is drawn; they are merged at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use fnlocal_api::StartKind;
use hdrhistogram::Histogram;

use crate::sample::{GatewayPhases, NoAnswer, Sample, SampleKind};

/// Cold starts kept one by one; beyond, only their histograms are.
const COLD_STARTS: usize = 500;
const KINDS: usize = SampleKind::ALL.len();

/// Histogram of microseconds, exact to a thousandth.
#[must_use]
pub fn fine() -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three digits are allowed");
    histogram.auto(true);
    histogram
}

/// The same to a hundredth, for the many intervals of a run.
#[must_use]
pub fn coarse() -> Histogram<u32> {
    let mut histogram = Histogram::new(2).expect("two digits are allowed");
    histogram.auto(true);
    histogram
}

/// Requests of one step that met the same.
#[derive(Clone)]
pub struct StepTally {
    /// Their latencies.
    pub latency: Histogram<u64>,
    /// Those that were errors.
    pub errors: u64,
    /// Their phases at the gateway, in the order of [`GatewayPhases::each`]; `None` if the gateway
    /// reported none.
    pub phases: Option<Box<[Histogram<u64>; 5]>>,
    /// The time of creating, booting and importing together, where any of it happened.
    pub start: Histogram<u64>,
}

impl StepTally {
    /// Takes in what another one holds.
    pub fn merge(&mut self, other: &Self) {
        // Histograms resize themselves, so nothing is out of range.
        let _infallible = self.latency.add(&other.latency);
        let _infallible = self.start.add(&other.start);
        self.errors += other.errors;
        if let Some(theirs) = &other.phases {
            let ours = self
                .phases
                .get_or_insert_with(|| Box::new(std::array::from_fn(|_| fine())));
            for (ours, theirs) in ours.iter_mut().zip(theirs.iter()) {
                let _infallible = ours.add(theirs);
            }
        }
    }
}

impl Default for StepTally {
    fn default() -> Self {
        Self {
            latency: fine(),
            errors: 0,
            phases: None,
            start: fine(),
        }
    }
}

/// Requests that were to be sent in the same span of time and met the same.
#[derive(Clone)]
pub struct Cell {
    /// Their latencies.
    pub latency: Histogram<u32>,
    /// Those that were errors.
    pub errors: u64,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            latency: coarse(),
            errors: 0,
        }
    }
}

/// A cold start by itself.
#[derive(Clone, Copy, Debug)]
pub struct ColdStart {
    /// The step of the scenario.
    pub step: usize,
    /// When it was to be sent.
    pub at: Duration,
    /// The kind of its request.
    pub kind: SampleKind,
    /// How much of its latency is the generator's: it was sent that late.
    pub lag: Duration,
    /// Its latency.
    pub latency: Duration,
    /// Where its time at the gateway went.
    pub phases: GatewayPhases,
}

/// The figures of the progress line, since it was last drawn.
pub struct Window {
    pub latency: Histogram<u32>,
    pub errors: u64,
}

/// Samples as histograms.
pub struct SampleRecorder {
    /// Width of an interval.
    pub width: Duration,
    /// By step and kind.
    pub tallies: BTreeMap<(usize, SampleKind), StepTally>,
    /// By interval and kind.
    pub intervals: Vec<[Option<Box<Cell>>; KINDS]>,
    /// How late requests were sent.
    pub lag: Histogram<u64>,
    /// Cold starts one by one.
    pub colds: Vec<ColdStart>,
    /// Answers by step, kind and status.
    pub statuses: BTreeMap<(usize, SampleKind, u16), u64>,
    /// Requests without an answer, by reason.
    pub failures: BTreeMap<NoAnswer, u64>,
    /// Requests that were sent once more, since the target closed an idle connection.
    pub retried: u64,
    window: Window,
}

impl SampleRecorder {
    /// One without samples, with intervals of `width`.
    #[must_use]
    pub fn new(width: Duration) -> Self {
        Self {
            width,
            tallies: BTreeMap::new(),
            intervals: Vec::new(),
            lag: fine(),
            colds: Vec::new(),
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            retried: 0,
            window: Window {
                latency: coarse(),
                errors: 0,
            },
        }
    }

    /// Takes in one sample.
    pub fn add(&mut self, sample: &Sample) {
        let latency = micros(sample.latency);
        let errors = u64::from(sample.error);
        let tally = self.tallies.entry((sample.step, sample.kind)).or_default();
        // Both resize themselves, so nothing is out of range.
        let _infallible = tally.latency.record(latency);
        tally.errors += errors;
        if let Some(phases) = sample.phases {
            let histograms = tally
                .phases
                .get_or_insert_with(|| Box::new(std::array::from_fn(|_| fine())));
            for (histogram, (_, span)) in histograms.iter_mut().zip(phases.each()) {
                let _infallible = histogram.record(span);
            }
            let start = phases.create + phases.boot + phases.import;
            if start > 0 {
                let _infallible = tally.start.record(start);
            }
        }
        let cell = self.cell(sample.at, sample.kind);
        let _infallible = cell.latency.record(latency);
        cell.errors += errors;
        let _infallible = self.lag.record(micros(sample.lag));
        let key = (sample.step, sample.kind, sample.status);
        *self.statuses.entry(key).or_default() += 1;
        if let Some(failure) = sample.failure {
            *self.failures.entry(failure).or_default() += 1;
        }
        if let (Some(StartKind::Cold), Some(phases)) = (sample.kind.start(), sample.phases)
            && self.colds.len() < COLD_STARTS
        {
            self.colds.push(ColdStart {
                step: sample.step,
                at: sample.at,
                kind: sample.kind,
                lag: sample.lag,
                latency: sample.latency,
                phases,
            });
        }
        let _infallible = self.window.latency.record(latency);
        self.window.errors += errors;
    }

    /// Returns the number of samples taken in.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.lag.len()
    }

    fn cell(&mut self, at: Duration, kind: SampleKind) -> &mut Cell {
        let index = (at.as_micros() / self.width.as_micros().max(1)) as usize;
        if self.intervals.len() <= index {
            self.intervals.resize_with(index + 1, Default::default);
        }
        self.intervals[index][kind as usize].get_or_insert_default()
    }

    /// Returns the results since the last call.
    pub fn take_window(&mut self) -> Window {
        let empty = Window {
            latency: coarse(),
            errors: 0,
        };
        std::mem::replace(&mut self.window, empty)
    }

    /// Takes in what another one gathered.
    pub fn merge(&mut self, other: Self) {
        for (key, theirs) in other.tallies {
            self.tallies.entry(key).or_default().merge(&theirs);
        }
        let length = self.intervals.len().max(other.intervals.len());
        self.intervals.resize_with(length, Default::default);
        for (ours, theirs) in self.intervals.iter_mut().zip(other.intervals) {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                let Some(theirs) = theirs else { continue };
                let ours = ours.get_or_insert_default();
                let _infallible = ours.latency.add(&theirs.latency);
                ours.errors += theirs.errors;
            }
        }
        let _infallible = self.lag.add(&other.lag);
        self.colds.extend(other.colds);
        self.colds.sort_by_key(|cold| cold.at);
        self.colds.truncate(COLD_STARTS);
        for (key, count) in other.statuses {
            *self.statuses.entry(key).or_default() += count;
        }
        self.retried += other.retried;
        for (failure, count) in other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
