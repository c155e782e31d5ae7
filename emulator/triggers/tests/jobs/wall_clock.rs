//! Schedules over all changes of the clock of ten zones, beside a table that is made by walking the
//! clock on the wall minute by minute.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use fnlocal_core::trigger::ScheduleSpec;
use fnlocal_triggers::schedule::Schedule;

/// Zones with a year in which their clocks are set in a way of their own.
const ZONES: [(&str, i32); 14] = [
    ("Europe/Berlin", 2026),
    ("America/New_York", 2026),
    // Half an hour.
    ("Australia/Lord_Howe", 2026),
    // Back for Ramadan, and forward after.
    ("Africa/Casablanca", 2026),
    // At midnight, so that a day begins at 1:00.
    ("America/Sao_Paulo", 2018),
    // At midnight back to the day before.
    ("Asia/Beirut", 2026),
    ("America/Havana", 2026),
    // Two hours.
    ("Antarctica/Troll", 2026),
    ("Pacific/Chatham", 2026),
    // A day that never was.
    ("Pacific/Apia", 2011),
    ("America/St_Johns", 2026),
    // Half an hour, once and for ever.
    ("Asia/Pyongyang", 2018),
    // Three quarters of an hour from the next, and never set.
    ("Asia/Kathmandu", 2026),
    ("UTC", 2026),
];

/// Minutes, hours, days of the month, months and weekdays in every form.
const FORMS: [&str; 36] = [
    "0 2,14 * * *",
    "30 2,14 * * *",
    "30 2 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "15 1 * * *",
    "0,30 1,2,3 * * *",
    "0 1-4 * * *",
    "30 1-4 * * *",
    "0-59 2 * * *",
    "10-50 0-3 * * *",
    "5,10-12 23,0,1 * * *",
    "0 0-23 * * *",
    "59 23 * * *",
    "0 3 * * *",
    "0 12 * * *",
    "45 2 * * SUN",
    "30 2 29 3 *",
    "30 2 25 10 *",
    "30 2 1 * SUN",
    "30 2 * MAR,OCT *",
    "30 2,14 * * MON-FRI",
    "* * * * *",
    "*/30 * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "30 * * * *",
    "0 */2 * * *",
    "15 */3 * * *",
    "*/15 2 * * *",
    "* 2 * * *",
    "0-30/10 2 * * *",
    "20 0-6/2 * * *",
    "*/20 0,2,14 * * SUN",
    "*/20 2,3 25-31 3,10 *",
    "5,*/20 1-3 * * *",
];

/// Returns the values that a field of an expression takes, read without the library.
fn values(field: &str, first: u32, last: u32) -> BTreeSet<u32> {
    const WORDS: [&str; 19] = [
        "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "JAN", "FEB", "MAR", "APR", "MAY", "JUN",
        "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    let number = |word: &str| match WORDS.iter().position(|known| *known == word) {
        Some(at) if at < 7 => u32::try_from(at).unwrap(),
        Some(at) => u32::try_from(at).unwrap() - 6,
        None => word.parse().unwrap(),
    };
    let mut all = BTreeSet::new();
    for item in field.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from), number(to)),
            None if range == "*" => (first, last),
            None => (number(range), number(range)),
        };
        all.extend((from..=to).step_by(step.parse().unwrap()));
    }
    all
}

struct Form {
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    days: BTreeSet<u32>,
    months: BTreeSet<u32>,
    weekdays: BTreeSet<u32>,
    /// Both days of the month and weekdays are named, and one of them is enough.
    either: bool,
    is_fixed: bool,
}

impl Form {
    fn read(text: &str) -> Self {
        let fields: Vec<&str> = text.split(' ').collect();
        Self {
            minutes: values(fields[0], 0, 59),
            hours: values(fields[1], 0, 23),
            days: values(fields[2], 1, 31),
            months: values(fields[3], 1, 12),
            weekdays: values(fields[4], 0, 6),
            either: fields[2] != "*" && fields[4] != "*",
            is_fixed: !fields[..2].iter().any(|field| field.contains(['*', '/'])),
        }
    }

    fn takes(&self, wall: NaiveDateTime) -> bool {
        let day = self.days.contains(&wall.day());
        let weekday = self
            .weekdays
            .contains(&wall.weekday().num_days_from_sunday());
        let is_day = if self.either {
            day || weekday
        } else {
            day && weekday
        };
        is_day
            && self.months.contains(&wall.month())
            && self.hours.contains(&wall.hour())
            && self.minutes.contains(&wall.minute())
    }

    /// Minutes at which it is due, found by looking at the wall in each minute.
    fn walk(&self, wall: &[(DateTime<Utc>, NaiveDateTime)]) -> Vec<DateTime<Utc>> {
        let mut due = Vec::new();
        let mut shown = wall[0].1 - Duration::minutes(1);
        for (at, wall) in wall {
            let is_due = if self.is_fixed {
                // All that the wall was to show since the last new time, this one included; none if
                // it has shown this one before.
                let mut is_due = false;
                while shown < *wall {
                    shown += Duration::minutes(1);
                    is_due |= self.takes(shown);
                }
                is_due
            } else {
                self.takes(*wall)
            };
            if is_due {
                due.push(*at);
            }
        }
        due
    }
}

/// Days before which a zone's offset changes, with what the wall shows in each minute around.
fn changes(zone: Tz, year: i32) -> Vec<Vec<(DateTime<Utc>, NaiveDateTime)>> {
    let wall = |at: DateTime<Utc>| zone.from_utc_datetime(&at.naive_utc()).naive_local();
    let days = (0..366)
        .map(|day| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap() + Duration::days(day));
    let mut changes: Vec<DateTime<Utc>> = days
        .filter(|day| wall(*day + Duration::days(1)) - wall(*day) != Duration::days(1))
        .collect();
    if changes.is_empty() {
        changes.push(Utc.with_ymd_and_hms(year, 3, 28, 0, 0, 0).unwrap());
    }
    let around = |day: DateTime<Utc>| {
        let minutes = (-2 * 1440..3 * 1440).map(|minute| day + Duration::minutes(minute));
        minutes.map(|at| (at, wall(at))).collect()
    };
    changes.into_iter().map(around).collect()
}

fn millis(at: DateTime<Utc>) -> u64 {
    u64::try_from(at.timestamp_millis()).unwrap()
}

#[test]
fn schedules_are_due_by_the_wall_clock_in_every_time_zone() {
    let mut compared = 0;
    for (name, year) in ZONES {
        let zone: Tz = name.parse().unwrap();
        for wall in changes(zone, year) {
            for cron in FORMS {
                let spec = ScheduleSpec {
                    timezone: name.to_owned(),
                    ..ScheduleSpec::cron(cron)
                };
                let schedule = Schedule::new(&spec).unwrap();
                let wanted: Vec<u64> = Form::read(cron)
                    .walk(&wall)
                    .into_iter()
                    .map(millis)
                    .collect();
                let (begin, end) = (millis(wall[0].0), millis(wall[wall.len() - 1].0));
                let due = schedule.due(begin - 1, end);
                let shown = |all: &[u64]| -> Vec<String> {
                    let at =
                        |ms: &u64| DateTime::from_timestamp_millis(i64::try_from(*ms).unwrap());
                    all.iter().map(|ms| at(ms).unwrap().to_rfc3339()).collect()
                };
                assert_eq!(shown(&due), shown(&wanted), "{cron} in {name}");
                // One after the other gives the same; the first ones do where they are many.
                let mut at = begin - 1;
                for next in wanted.iter().take(30) {
                    assert_eq!(
                        schedule.next(at),
                        Some(*next),
                        "{cron} in {name} after {at}"
                    );
                    at = *next;
                }
                compared += wanted.len();
            }
        }
    }
    assert!(compared > 100_000, "{compared}");
}
