//! A package: its code, its functions, its spares, and how its starts have gone.

use std::collections::BTreeSet;

use crate::average::Average;
use crate::ids::{CodeHash, FunctionId, InstanceId};
use crate::time::{Duration, Instant};

/// From start to booted until measured: a container in a ready network sandbox took 130 to 300 ms
/// (measured.md, "Where a cold start goes").
const BOOT_GUESS: Duration = Duration::from_millis(250);
/// From assign to assigned until measured: a spare given its code answered after 3.5 ms, one that
/// loads Express itself after 40 ms (measured.md, "Warm, paused, spare, reload").
const ASSIGN_GUESS: Duration = Duration::from_millis(20);
/// First and longest pause after failed starts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// First and longest pause before a spare or a kept instance that died is replaced.
const REFILL_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Failed starts in a row after which waiting is of no use.
pub(crate) const MAX_CONSECUTIVE_FAILURES: u32 = 3;

/// Doubles from the first to the longest.
fn backoff((first, longest): (Duration, Duration), failures: u32) -> Duration {
    (first * (1 << failures.saturating_sub(1).min(16))).min(longest)
}

/// Returns the pause before the next start after `failures` failures in a row.
pub(crate) fn start_backoff(failures: u32) -> Duration {
    backoff(BACKOFF, failures)
}

/// Returns the pause before the next refill after `failures` deaths in a row.
pub(crate) fn refill_backoff(failures: u32) -> Duration {
    backoff(REFILL_BACKOFF, failures)
}

/// The importer of the wanted code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prime {
    /// No instance imports the code yet.
    Wanted,
    /// An instance being started for it.
    Starting(InstanceId),
    /// An instance that is importing it, or is being resumed to.
    Running(InstanceId),
}

/// One package.
#[derive(Debug)]
pub(crate) struct NodePackage {
    /// The newest code there is.
    pub(crate) wanted: CodeHash,
    /// The newest code that has been imported and described.
    pub(crate) code: Option<CodeHash>,
    /// The import under way.
    pub(crate) prime: Option<Prime>,
    /// Its functions.
    pub(crate) functions: BTreeSet<FunctionId>,
    /// Booted instances without a function, the longest idle first.
    pub(crate) spares: Vec<InstanceId>,
    /// The function last started, whose memory spares get.
    pub(crate) last_started: Option<FunctionId>,
    /// Start to booted.
    pub(crate) boot: Average,
    /// Assign to assigned.
    pub(crate) assign: Average,
    /// Failed starts in a row, those under way together counted as one.
    pub(crate) failures: u32,
    /// When the last of them failed.
    pub(crate) failed_at: Instant,
    /// No start before this; also its timer.
    pub(crate) retry_at: Option<Instant>,
    /// Spares being started.
    pub(crate) spare_starts: usize,
    /// Spares that died in a row.
    pub(crate) deaths: u32,
    /// No refill before this.
    pub(crate) refill_at: Instant,
}

impl NodePackage {
    /// Returns a package whose code is new.
    pub(crate) fn new(wanted: CodeHash) -> Self {
        Self {
            wanted,
            code: None,
            prime: Some(Prime::Wanted),
            functions: BTreeSet::new(),
            spares: Vec::new(),
            last_started: None,
            boot: Average::guess(BOOT_GUESS),
            assign: Average::guess(ASSIGN_GUESS),
            failures: 0,
            failed_at: Instant::START,
            retry_at: None,
            spare_starts: 0,
            deaths: 0,
            refill_at: Instant::START,
        }
    }

    /// Expected time from a start to the first request, in microseconds.
    pub(crate) fn start_micros(&self) -> u64 {
        self.boot
            .micros()
            .unwrap_or(0)
            .saturating_add(self.assign.micros().unwrap_or(0))
    }

    /// Returns whether starts are on hold after failures.
    pub(crate) fn held(&self, now: Instant) -> bool {
        self.retry_at.is_some_and(|at| at > now)
    }

    /// Returns whether starts have failed so often that requests are refused until one may be
    /// tried.
    pub(crate) fn hopeless(&self, now: Instant) -> bool {
        self.failures >= MAX_CONSECUTIVE_FAILURES && self.held(now)
    }

    /// Notes a failed start and says when the next may be tried. Starts that were under way together
    /// fail together, and count as one.
    pub(crate) fn start_failed(&mut self, asked_at: Instant, now: Instant) -> Instant {
        if self.failures == 0 || asked_at > self.failed_at {
            self.failures = self.failures.saturating_add(1);
            self.failed_at = now;
        }
        now + start_backoff(self.failures)
    }

    /// Notes that a spare died by itself, so that a replacement waits.
    pub(crate) fn spare_died(&mut self, now: Instant) {
        self.deaths = self.deaths.saturating_add(1);
        self.refill_at = now + refill_backoff(self.deaths);
    }
}
