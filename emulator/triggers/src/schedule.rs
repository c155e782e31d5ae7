//! When a function is due: a cron expression in a time zone.
//!
//! Where clocks are put forward, fixed times that do not exist are due at the first moment after
//! the gap, once; where they are put back, a fixed time that comes twice is due at its first coming
//! only. So are lists and ranges of times, each time for itself. An expression with a `*` or a step
//! in its minute or hour is due whenever the clock shows such a time: never within the gap, and both
//! times in the hour that comes twice.
//!
//! The library finds times on a clock that is never set. Where the wall's clock is set is ours
//! ([`wall_clock`]): the library knows single fixed times only.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use fnlocal_core::trigger::{MISSED_MOST, Missed, ScheduleSpec};

use crate::wall_clock;

/// The maximum number of times checked between two looks: a clock that jumped far is no reason to
/// count through years of seconds.
const LOOKED_AT: usize = 100_000;
/// Seconds that are looked through at once.
const WINDOW: i64 = 2 * DAY;
/// Times that are found at once.
const FOUND_AT_ONCE: usize = 64;
const DAY: i64 = 86_400;
/// The first second of 2025, and of 2030.
const ZONE_YEARS: (i64, i64) = (1_735_689_600, 1_893_456_000);
/// Clocks are set by whole quarters of an hour.
const QUARTER: usize = 900;
/// How far a clock is ever set, and how far a wall is from UTC, in seconds.
const MAX_SHIFT: i64 = 2 * DAY;

/// A schedule that was checked.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
    /// Its times are single ones, not whatever comes round every so often.
    is_fixed: bool,
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
    /// No day is as its expression says.
    #[error("`{0}` is never due: no such day is in the calendar")]
    Never(String),
    /// Its time zone.
    #[error("`{0}` is not a time zone")]
    Zone(String),
}

impl ScheduleError {
    /// The key of a table that is to blame.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Cron { .. } | Self::Never(_) => "cron",
            Self::Zone(_) => "timezone",
        }
    }
}

fnlocal_api::user_error!(ScheduleError: Config {
    Self::Cron { .. } => "as in \"*/5 * * * *\": minute, hour, day, month, weekday";
    Self::Never(_) => "name a day that the month has, as in \"0 0 28 2 *\", or L for its last";
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
        let begin = DateTime::<Utc>::UNIX_EPOCH;
        if cron.find_next_occurrence(&begin, true).is_err() {
            return Err(ScheduleError::Never(spec.cron.clone()));
        }
        let zone = spec.timezone.parse();
        Ok(Self {
            is_fixed: is_fixed(&cron),
            cron,
            zone: zone.map_err(|_| ScheduleError::Zone(spec.timezone.clone()))?,
            missed: spec.missed,
            overlap: spec.overlap,
        })
    }

    /// The moments after `from` and up to `to` at which it is due, in milliseconds since 1970, the
    /// oldest first, the first 100,000 of them.
    #[must_use]
    pub fn due(&self, from: u64, to: u64) -> Vec<u64> {
        let times = self.times_after(from).take_while(|at| *at <= to);
        times.take(LOOKED_AT).collect()
    }

    /// The next moment after `from`, in milliseconds since 1970; `None` if there is none.
    #[must_use]
    pub fn next(&self, from: u64) -> Option<u64> {
        self.times_after(from).next()
    }

    /// The seconds since 1970 at which it is due, from `first` on, in order.
    pub fn times_from(&self, first: u64) -> impl Iterator<Item = u64> {
        let times = DueTimes {
            schedule: self,
            at: i64::try_from(first).unwrap_or(i64::MAX),
            found: VecDeque::new(),
        };
        times.map_while(|second| u64::try_from(second).ok())
    }

    /// The same in milliseconds, of what comes after `from`.
    fn times_after(&self, from: u64) -> impl Iterator<Item = u64> {
        let times = self.times_from(from / 1000 + 1);
        times.map_while(|second| second.checked_mul(1000))
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

    /// The seconds from `first` to `last` at which it is due, the first `most` of them.
    fn due_between(&self, first: i64, last: i64, most: usize) -> Vec<i64> {
        let mut due = Vec::new();
        let mut shown: Option<i64> = None;
        for stretch in wall_clock::stretches(self.zone, first - MAX_SHIFT, last + 1) {
            let mut from = stretch.shows_first();
            if let Some(shown) = shown.filter(|_| self.is_fixed) {
                let is_missing = from > shown && self.shown_between(shown, from).next().is_some();
                if is_missing && stretch.begin >= first {
                    due.push(stretch.begin);
                }
                // A time that the wall has shown before counts no second time.
                from = from.max(shown);
            }
            shown = shown.max(Some(stretch.shows_last()));
            let from = from.max(first + stretch.offset);
            let times = self.shown_between(from, stretch.shows_last());
            let times = times.map(|shown| shown - stretch.offset);
            due.extend(times.take((most + 1).saturating_sub(due.len())));
            due.dedup();
        }
        due.truncate(most);
        due
    }

    /// Times from `from` to before `to` on a wall whose clock is never set.
    fn shown_between(&self, from: i64, to: i64) -> impl Iterator<Item = i64> {
        self.shown_from(from).take_while(move |at| *at < to)
    }

    fn shown_from(&self, from: i64) -> impl Iterator<Item = i64> {
        let start = DateTime::<Utc>::from_timestamp(from, 0);
        let first = start.and_then(|at| self.cron.find_next_occurrence(&at, true).ok());
        let next = |at: &DateTime<Utc>| self.cron.find_next_occurrence(at, false).ok();
        std::iter::successors(first, next).map(|at| at.timestamp())
    }
}

/// The clocks of a time zone from 2025 to 2029.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneClocks {
    /// How far they are from UTC, in seconds.
    pub offsets: BTreeSet<i64>,
    /// The hours of the day of which they skip or repeat a part when they are set.
    pub set_hours: BTreeSet<u32>,
}

impl ZoneClocks {
    /// Returns the clocks of a zone.
    ///
    /// # Errors
    /// [`ScheduleError::Zone`]
    pub fn new(timezone: &str) -> Result<Self, ScheduleError> {
        let zone = timezone.parse();
        let zone: Tz = zone.map_err(|_| ScheduleError::Zone(timezone.to_owned()))?;
        let stretches = wall_clock::stretches(zone, ZONE_YEARS.0, ZONE_YEARS.1);
        let mut set_hours = BTreeSet::new();
        for two in stretches.windows(2) {
            let (first, last) = (two[0].shows_last(), two[1].shows_first());
            let set = first.min(last)..first.max(last);
            let hours = set
                .step_by(QUARTER)
                .map(|shown| shown.rem_euclid(DAY) / 3600);
            set_hours.extend(hours.filter_map(|hour| u32::try_from(hour).ok()));
        }
        let offsets = stretches.iter().map(|stretch| stretch.offset).collect();
        Ok(Self { offsets, set_hours })
    }
}

/// Times at which a schedule is due, found as they are asked for.
struct DueTimes<'a> {
    schedule: &'a Schedule,
    /// The second to go on from.
    at: i64,
    found: VecDeque<i64>,
}

impl Iterator for DueTimes<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        loop {
            if let Some(second) = self.found.pop_front() {
                return Some(second);
            }
            wall_clock::offset(self.schedule.zone, self.at)?;
            let last = self.at.checked_add(WINDOW)?;
            let found = self.schedule.due_between(self.at, last, FOUND_AT_ONCE);
            self.at = match found.last() {
                Some(end) if found.len() == FOUND_AT_ONCE => end + 1,
                _ => last + 1,
            };
            if found.is_empty() {
                // However the clock changes, nothing is due long before the wall shows its time.
                let shown = self.schedule.shown_from(self.at - MAX_SHIFT).next()?;
                self.at = self.at.max(shown - MAX_SHIFT);
            }
            self.found = found.into();
        }
    }
}

/// Returns whether an expression names times, rather than a step in minutes or hours.
fn is_fixed(cron: &Cron) -> bool {
    let fields: Vec<&str> = cron.pattern.as_str().split_whitespace().collect();
    // With six fields the first is the second.
    let first = usize::from(fields.len() > 5);
    let mut often = fields.iter().skip(first).take(2);
    !often.any(|field| field.contains(['*', '/']))
}
