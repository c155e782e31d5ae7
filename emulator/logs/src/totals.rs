//! The journal's counts, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use fnlocal_api::Cause;

/// Counts that the journal's thread keeps and others look at.
#[derive(Debug, Default)]
pub struct JournalTotals {
    /// Lines of functions that were kept.
    pub lines: AtomicU64,
    /// Invocations that were kept.
    pub invocations: AtomicU64,
    /// Bytes written.
    pub bytes: AtomicU64,
    /// Records that were not kept.
    pub dropped: AtomicU64,
    /// Spans that were not sent.
    pub spans_dropped: AtomicU64,
    errors: [AtomicU64; Cause::ALL.len()],
}

/// The counts at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TotalsView {
    /// Lines of functions that were kept.
    pub lines: u64,
    /// Invocations that were kept.
    pub invocations: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Records that were not kept.
    pub dropped: u64,
    /// Spans that were not sent.
    pub spans_dropped: u64,
    /// Errors, by how they came out.
    pub errors: [u64; Cause::ALL.len()],
}

impl JournalTotals {
    /// Adds to one of the counts.
    pub(super) fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn error(&self, cause: Cause) {
        Self::add(&self.errors[cause as usize], 1);
    }

    /// The counts now.
    #[must_use]
    pub fn view(&self) -> TotalsView {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TotalsView {
            lines: read(&self.lines),
            invocations: read(&self.invocations),
            bytes: read(&self.bytes),
            dropped: read(&self.dropped),
            spans_dropped: read(&self.spans_dropped),
            errors: std::array::from_fn(|at| read(&self.errors[at])),
        }
    }
}
