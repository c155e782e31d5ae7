//! When functions are due: across time-zone changes, and when runs were missed.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use chrono::{DateTime, Utc};
use fnlocal_core::trigger::{Missed, ScheduleSpec};
use fnlocal_triggers::schedule::{Schedule, ScheduleError};

fn at(text: &str) -> u64 {
    let time: DateTime<Utc> = text.parse().unwrap();
    u64::try_from(time.timestamp_millis()).unwrap()
}

fn berlin(cron: &str) -> Schedule {
    let spec = ScheduleSpec {
        timezone: "Europe/Berlin".to_owned(),
        ..ScheduleSpec::cron(cron)
    };
    Schedule::new(&spec).unwrap()
}

/// Due times between two moments of a day, as hours and minutes of UTC.
fn due(cron: &str, day: &str, from: &str, to: &str) -> Vec<String> {
    let (from, to) = (
        at(&format!("{day}T{from}:00Z")),
        at(&format!("{day}T{to}:00Z")),
    );
    let times = berlin(cron).due(from, to).into_iter();
    let shown = times.map(|ms| {
        let time = DateTime::from_timestamp_millis(i64::try_from(ms).unwrap()).unwrap();
        time.format("%H:%M").to_string()
    });
    shown.collect()
}

/// Clocks in Berlin go from 2:00 to 3:00, at 1:00 UTC.
const FORWARD: &str = "2026-03-29";
/// Clocks in Berlin go from 3:00 to 2:00, at 1:00 UTC.
const BACK: &str = "2026-10-25";

#[test]
fn a_time_skipped_by_daylight_saving_is_due_right_after_the_gap() {
    assert_eq!(due("30 2 * * *", FORWARD, "00:00", "23:00"), ["01:00"]);
    assert_eq!(due("30 2 * * *", "2026-03-30", "00:00", "23:00"), ["00:30"]);
}

#[test]
fn a_time_repeated_by_daylight_saving_is_due_only_the_first_time() {
    assert_eq!(due("30 2 * * *", BACK, "00:00", "23:00"), ["00:30"]);
    assert_eq!(due("30 2 * * *", "2026-10-26", "00:00", "23:00"), ["01:30"]);
}

#[test]
fn an_interval_schedule_skips_the_gap_and_fires_through_both_repeated_hours() {
    let half_hours = ["00:30", "01:00", "01:30", "02:00"];
    assert_eq!(due("*/30 * * * *", FORWARD, "00:00", "02:00"), half_hours);
    assert_eq!(due("*/30 * * * *", BACK, "00:00", "02:00"), half_hours);
}

#[test]
fn every_time_of_a_list_or_range_is_treated_as_a_fixed_time() {
    let all = |cron, day| due(cron, day, "00:10", "22:50");
    assert_eq!(all("0 2,14 * * *", FORWARD), ["01:00", "12:00"]);
    assert_eq!(all("30 2,14 * * *", BACK), ["00:30", "13:30"]);
    assert_eq!(all("0 1-4 * * *", FORWARD), ["01:00", "02:00"]);
    assert_eq!(
        all("30 1-4 * * *", FORWARD),
        ["00:30", "01:00", "01:30", "02:30"]
    );
    let back = ["00:30", "02:30"];
    assert_eq!(all("30 2-3 * * *", BACK), back);
    // With seconds, and however many fall into the gap.
    assert_eq!(all("5,10 30 2 * * *", FORWARD), ["01:00"]);
    assert_eq!(all("@daily", FORWARD), ["22:00"]);
}

#[test]
fn a_schedule_that_is_never_due_is_refused() {
    for cron in [
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "0 0 31 APR *",
        "*/5 * 30-31 FEB *",
        "0 0 0 30 2 * 2026-2090",
        "0 0 0 29 2 * 2026,2027",
        "0 0 30 2 +MON",
    ] {
        let error = Schedule::new(&ScheduleSpec::cron(cron)).unwrap_err();
        assert_eq!(error, ScheduleError::Never(cron.to_owned()));
        assert_eq!(error.key(), "cron");
    }
    for cron in [
        "0 0 29 2 *",
        "0 0 29 2 +MON",
        "0 0 30 2 MON",
        "0 0 L 2 *",
        "0 0 * * MON#5",
    ] {
        Schedule::new(&ScheduleSpec::cron(cron)).unwrap();
    }
}

#[test]
fn the_next_time_of_a_rare_schedule_is_found() {
    let schedule = |cron| Schedule::new(&ScheduleSpec::cron(cron)).unwrap();
    let now = at("2026-01-01T00:00:00Z");
    assert_eq!(
        schedule("0 0 29 2 *").next(now),
        Some(at("2028-02-29T00:00:00Z"))
    );
    // February the 29th is a Monday once in 28 years.
    let monday = schedule("30 12 29 2 +MON");
    assert_eq!(monday.next(now), Some(at("2044-02-29T12:30:00Z")));
    assert_eq!(schedule("0 0 0 1 1 * 2020").next(now), None);
    assert_eq!(schedule("0 0 0 1 1 * 2020").due(0, now).len(), 1);
    // However far the clock jumps.
    assert_eq!(schedule("* * * * * *").due(0, u64::MAX).len(), 100_000);
    assert_eq!(schedule("* * * * *").next(u64::MAX), None);
}

#[test]
fn consecutive_due_intervals_neither_overlap_nor_leave_gaps() {
    let schedule = berlin("*/7 * * * *");
    let (begin, end) = (at("2026-10-24T22:00:00Z"), at("2026-10-25T04:00:00Z"));
    let whole = schedule.due(begin, end);
    let mut pieces = Vec::new();
    let mut from = begin;
    while from < end {
        let to = (from + 61_337).min(end);
        pieces.extend(schedule.due(from, to));
        from = to;
    }
    assert_eq!(pieces, whole);
    assert_eq!(schedule.next(begin), whole.first().copied());
}

#[test]
fn the_missed_setting_runs_none_one_or_all_of_the_missed_runs() {
    let run = |missed| {
        let spec = ScheduleSpec {
            missed,
            ..ScheduleSpec::cron("0 * * * *")
        };
        let schedule = Schedule::new(&spec).unwrap();
        let (from, now) = (at("2026-01-01T00:30:00Z"), at("2026-01-01T05:00:10Z"));
        schedule.to_run(from, now, 60_000).len()
    };
    // Of five, the last is ten seconds old and so not missed.
    assert_eq!(run(Missed::Skip), 1);
    assert_eq!(run(Missed::Once), 2);
    assert_eq!(run(Missed::All), 5);
}

#[test]
fn the_number_of_missed_runs_made_up_for_is_bounded() {
    let spec = ScheduleSpec {
        missed: Missed::All,
        ..ScheduleSpec::cron("* * * * *")
    };
    let schedule = Schedule::new(&spec).unwrap();
    let (from, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-08T00:00:30Z"));
    let all = schedule.to_run(from, now, 60_000);
    assert_eq!(all.len(), 101);
    assert_eq!(all.last(), Some(&at("2026-01-08T00:00:00Z")));
}

#[test]
fn an_invalid_schedule_is_refused_with_its_key() {
    let error = |spec: ScheduleSpec| Schedule::new(&spec).unwrap_err();
    let often = error(ScheduleSpec::cron("often"));
    assert!(often.to_string().contains("`often`") && often.key() == "cron");
    // Its hours would be none, and looking for the next one would take minutes.
    let never = error(ScheduleSpec::cron("*/2 , * * *"));
    assert!(never.to_string().contains("empty item"), "{never}");
    let mars = ScheduleSpec {
        timezone: "Mars/Base".to_owned(),
        ..ScheduleSpec::cron("* * * * *")
    };
    assert_eq!(error(mars), ScheduleError::Zone("Mars/Base".to_owned()));
}
