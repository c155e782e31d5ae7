//! The result of triggered work, apart from clients' requests.

use fnlocal_core::StartKind;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::recorder::histogram;
use super::summary::Summary;

/// Triggered work in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct JobsReport {
    /// Jobs that came.
    pub came: u64,
    /// Those whose run ended well.
    pub done: u64,
    /// Runs that waited for an instance to boot or to import its code.
    pub cold: u64,
    /// Runs that failed and were repeated.
    pub repeated: u64,
    /// Times one was let in and did not find a place: no attempt.
    pub turned_away: u64,
    /// Those that were given up.
    pub dead: u64,
    /// The most that waited for room at any time.
    pub backlog: u64,
    /// From their coming to the beginning of each run, in milliseconds.
    pub waited: Summary,
    /// From their coming to their end, in milliseconds.
    pub took: Summary,
}

/// Gathers what happens to jobs during a run.
#[derive(Debug)]
pub(crate) struct JobsRecorder {
    counts: JobsReport,
    waited: Histogram<u64>,
    took: Histogram<u64>,
}

impl JobsRecorder {
    pub(super) fn new() -> Self {
        Self {
            counts: JobsReport::default(),
            waited: histogram(3),
            took: histogram(3),
        }
    }

    pub(crate) fn came(&mut self) {
        self.counts.came += 1;
    }

    pub(crate) fn waiting(&mut self, count: u64) {
        self.counts.backlog = self.counts.backlog.max(count);
    }

    /// Counts a run that begins `waited` microseconds after its job came.
    pub(crate) fn begins(&mut self, waited: u64) {
        self.waited.saturating_record(waited);
    }

    pub(crate) fn done(&mut self, took: u64, start: Option<StartKind>) {
        self.counts.done += 1;
        self.counts.cold += u64::from(start.is_some_and(StartKind::imports));
        self.took.saturating_record(took);
    }

    pub(crate) fn again(&mut self, ran: bool) {
        self.counts.repeated += u64::from(ran);
        self.counts.turned_away += u64::from(!ran);
    }

    pub(crate) fn dead(&mut self) {
        self.counts.dead += 1;
    }

    /// None when there was no triggered work.
    pub(super) fn report(&self) -> Option<JobsReport> {
        let report = JobsReport {
            waited: Summary::from_histogram(&self.waited),
            took: Summary::from_histogram(&self.took),
            ..self.counts
        };
        (report.came > 0).then_some(report)
    }
}
