//! When a function is due: a cron expression in a time zone.
//!
//! Where clocks are put forward, a fixed time that does not exist is due at the first moment after
//! the gap; where they are put back, a fixed time that comes twice is due at its first coming only.
//! An expression with a `*` or a step in its minute or hour is due whenever the clock shows such a
//! time: never within the gap, and both times in the hour that comes twice.

use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use croner::Cron;
use fnlocal_core::trigger::{MISSED_MOST, Missed, ScheduleSpec};

/// The maximum number of times between two looks: a clock that jumped far is no reason to count
/// through years of seconds.
const LOOKED_AT: usize = 100_000;

/// A schedule that was checked.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
    missed: Missed,
    /// A run may begin while the one before it has not ended.
    pub overlap: bool,
}

/// A schedule makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Its expression.
    #[error("`{cron}` is not a cron expression: {why}")]
    Cron {
        /// As written.
        cron: String,
        /// The error.
        why: String,
    },
    /// Its time zone.
    #[error("`{0}` is not a time zone")]
    Zone(String),
}

impl ScheduleError {
    /// The key of a table that is to blame.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Cron { .. } => "cron",
            Self::Zone(_) => "timezone",
        }
    }
}

fnlocal_api::user_error!(ScheduleError: Config {
    Self::Cron { .. } => "as in \"*/5 * * * *\": minute, hour, day, month, weekday";
    Self::Zone(_) => "as in timezone = \"Europe/Berlin\"";
});

impl Schedule {
    /// Checks a schedule.
    ///
    /// # Errors
    /// [`ScheduleError`]
    pub fn new(spec: &ScheduleSpec) -> Result<Self, ScheduleError> {
        let refused = |why: String| ScheduleError::Cron {
            cron: spec.cron.clone(),
            why,
        };
        // croner takes a field of no values, and then looks for its time through thousands of years.
        let mut fields = spec.cron.split_whitespace();
        if fields.any(|field| field.split(',').any(str::is_empty)) {
            return Err(refused("a list has an empty item".to_owned()));
        }
        let cron = spec.cron.parse::<Cron>();
        let cron = cron.map_err(|error| refused(error.to_string()))?;
        let zone = spec.timezone.parse();
        Ok(Self {
            cron,
            zone: zone.map_err(|_| ScheduleError::Zone(spec.timezone.clone()))?,
            missed: spec.missed,
            overlap: spec.overlap,
        })
    }

    /// The moments after `from` and up to `to` at which it is due, in milliseconds since 1970, the
    /// oldest first.
    #[must_use]
    pub fn due(&self, from: u64, to: u64) -> Vec<u64> {
        let Some(start) = self.local(from) else {
            return Vec::new();
        };
        let times = self.cron.iter_after(start);
        let times = times.filter_map(|at| u64::try_from(at.timestamp_millis()).ok());
        let times = times.take_while(|at| *at <= to).take(LOOKED_AT);
        let mut times: Vec<u64> = times.filter(|at| *at > from).collect();
        times.dedup();
        times
    }

    /// The next moment after `from`, in milliseconds since 1970; none if there is none.
    #[must_use]
    pub fn next(&self, from: u64) -> Option<u64> {
        let next = self.cron.find_next_occurrence(&self.local(from)?, false);
        u64::try_from(next.ok()?.timestamp_millis()).ok()
    }

    /// Returns the times to run among those due between two looks. Those before `late` were due
    /// longer ago than a look could be: the policy for missed runs decides about them.
    #[must_use]
    pub fn to_run(&self, from: u64, now: u64, late: u64) -> Vec<u64> {
        let due = self.due(from, now);
        let split = due.partition_point(|at| at.saturating_add(late) < now);
        let (missed, fresh) = due.split_at(split);
        let kept = match self.missed {
            Missed::Skip => 0,
            Missed::Once => 1,
            Missed::All => MISSED_MOST,
        };
        let kept = missed.len().saturating_sub(kept);
        missed[kept..].iter().chain(fresh).copied().collect()
    }

    fn local(&self, ms: u64) -> Option<DateTime<Tz>> {
        self.zone
            .timestamp_millis_opt(i64::try_from(ms).ok()?)
            .single()
    }
}
