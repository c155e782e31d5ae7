//! The time on a wall clock in a time zone, in seconds.
//!
//! Moments are seconds since 1970 in UTC; what the wall shows then is the same count moved by the
//! zone's offset, as if the wall were in UTC.

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

/// How far apart offsets are looked at: no zone changed its clock twice within this
/// number of seconds.
const STEP: i64 = 3600;

/// A stretch of time in which a zone's offset stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Its first second.
    pub begin: i64,
    /// The second after its last.
    pub end: i64,
    /// The time by which the wall is ahead of UTC, in seconds.
    pub offset: i64,
}

impl Stretch {
    /// Returns the wall's time at the beginning.
    pub fn shows_first(&self) -> i64 {
        self.begin + self.offset
    }

    /// Returns the time that the wall would show at the end, if the offset stayed.
    pub fn shows_last(&self) -> i64 {
        self.end + self.offset
    }
}

/// Returns the seconds by which a zone's wall is ahead of UTC at a moment; `None` beyond the
/// calendar.
pub(super) fn offset(zone: Tz, at: i64) -> Option<i64> {
    let at = DateTime::<Utc>::from_timestamp(at, 0)?.naive_utc();
    let offset = zone.offset_from_utc_datetime(&at).fix();
    Some(i64::from(offset.local_minus_utc()))
}

/// The stretches from `begin` to before `end`, in order; none beyond the calendar.
pub(super) fn stretches(zone: Tz, begin: i64, end: i64) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    let (mut at, Some(mut before)) = (begin, offset(zone, begin)) else {
        return all;
    };
    let mut from = begin;
    while at < end {
        let next = (at + STEP).min(end);
        let Some(after) = offset(zone, next) else {
            break;
        };
        if after != before {
            let change = change(zone, at, next);
            all.push(Stretch {
                begin: from,
                end: change,
                offset: before,
            });
            (from, before) = (change, after);
        }
        at = next;
    }
    // A change right at the end leaves nothing behind it.
    if from < at {
        all.push(Stretch {
            begin: from,
            end: at,
            offset: before,
        });
    }
    all
}

/// The first second of the new offset, of two moments between which it changes.
fn change(zone: Tz, mut before: i64, mut after: i64) -> i64 {
    let old = offset(zone, before);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if offset(zone, middle) == old {
            before = middle;
        } else {
            after = middle;
        }
    }
    after
}
