//! When a burst of events is over.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A save is over when nothing happened for so long.
const QUIET: Duration = Duration::from_millis(4);
/// A save is reported after so long, over or not.
const MAX_SAVE_DELAY: Duration = Duration::from_millis(60);
/// The number of paths from which a burst is no save but a checkout or an install, which has longer
/// pauses.
const MANY: usize = 20;
/// The same for these.
const QUIET_MANY: Duration = Duration::from_millis(20);
const PATIENCE_MANY: Duration = Duration::from_millis(300);
/// How long after a burst it is looked at once more.
const CONFIRM: Duration = Duration::from_millis(150);

/// Tells when to report. Reads no clock.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    burst: Option<(Instant, Instant)>,
    paths: BTreeSet<PathBuf>,
    confirm: Option<Instant>,
}

impl Debounce {
    /// Something happened to a path.
    pub fn note(&mut self, now: Instant, path: PathBuf) {
        let first = self.burst.map_or(now, |(first, _)| first);
        self.burst = Some((first, now));
        if self.paths.len() <= MANY {
            self.paths.insert(path);
        }
    }

    /// When the burst is to be reported.
    pub fn due(&self) -> Option<Instant> {
        let (first, last) = self.burst?;
        let (quiet, patience) = if self.paths.len() > MANY {
            (QUIET_MANY, PATIENCE_MANY)
        } else {
            (QUIET, MAX_SAVE_DELAY)
        };
        Some((last + quiet).min(first + patience))
    }

    /// When to look once more.
    pub fn confirm_due(&self) -> Option<Instant> {
        self.confirm
    }

    /// The burst has been reported.
    pub fn reported(&mut self, now: Instant) {
        self.burst = None;
        self.paths.clear();
        self.confirm = Some(now + CONFIRM);
    }

    /// Notes that the change was confirmed by a second look.
    pub fn confirmed(&mut self) {
        self.confirm = None;
    }
}
