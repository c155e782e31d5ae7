//! Schedules in the language of EventBridge Scheduler: a year of firings, against what "Schedule
//! types in EventBridge Scheduler" of its User Guide says.

use std::collections::BTreeSet;

use chrono::{Datelike, Duration, LocalResult, NaiveDate, Offset, TimeZone, Weekday};
use chrono_tz::Tz;
use fnlocal_cloud::cron::{from_eventbridge, to_eventbridge};
use fnlocal_core::trigger::ScheduleSpec;
use fnlocal_triggers::schedule::Schedule;

const ZONES: [&str; 5] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    // Its clocks are set by half an hour.
    "Australia/Lord_Howe",
];

/// The end of the year's first day, and the begin of its last one, in any time zone.
const FIRST_DAY_OVER: u64 = 1_767_225_600_000 + 2 * 86_400_000;
const LAST_DAY: u64 = 1_767_225_600_000 + 363 * 86_400_000;

fn spec(cron: &str, timezone: &str) -> ScheduleSpec {
    ScheduleSpec {
        timezone: timezone.to_owned(),
        ..ScheduleSpec::cron(cron)
    }
}

fn days() -> impl Iterator<Item = NaiveDate> {
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    first.iter_days().take_while(|day| day.year() == 2026)
}

/// The numbers of a field: `*`, `a/b` to the end, `a-b`, lists.
fn numbers(field: &str, min: u32, max: u32) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    for item in field.split(',') {
        if item == "*" {
            all.extend(min..=max);
        } else if let Some((from, step)) = item.split_once('/') {
            all.extend((from.parse().unwrap()..=max).step_by(step.parse().unwrap()));
        } else if let Some((from, to)) = item.split_once('-') {
            all.extend(from.parse::<u32>().unwrap()..=to.parse().unwrap());
        } else {
            all.insert(item.parse().unwrap());
        }
    }
    all
}

/// Days of the week are counted from 1 for Sunday.
fn weekday_number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| {
        let weekday: Weekday = text.parse().unwrap();
        weekday.num_days_from_sunday() + 1
    })
}

fn is_day(day: NaiveDate, of_month: &str, of_week: &str) -> bool {
    assert!((of_month == "?") != (of_week == "?"), "one of both is `?`");
    let here = day.weekday().num_days_from_sunday() + 1;
    if let Some((weekday, nth)) = of_week.split_once('#') {
        return weekday_number(weekday) == here
            && (day.day() - 1) / 7 + 1 == nth.parse::<u32>().unwrap();
    }
    if let Some((from, to)) = of_week.split_once('-') {
        return (weekday_number(from)..=weekday_number(to)).contains(&here);
    }
    if of_week != "?" {
        return of_week == "*" || of_week.split(',').any(|one| weekday_number(one) == here);
    }
    let last = day.with_day(1).unwrap() + chrono::Months::new(1) - Duration::days(1);
    if of_month == "L" {
        return day == last;
    }
    if let Some(wanted) = of_month.strip_suffix('W') {
        let wanted = day.with_day(wanted.parse().unwrap());
        let nearest = wanted.map(|wanted| match wanted.weekday() {
            Weekday::Sat if wanted.day() == 1 => wanted + Duration::days(2),
            Weekday::Sat => wanted - Duration::days(1),
            Weekday::Sun if wanted == last => wanted - Duration::days(2),
            Weekday::Sun => wanted + Duration::days(1),
            _ => wanted,
        });
        return nearest == Some(day);
    }
    numbers(of_month, 1, 31).contains(&day.day())
}

/// The firings of 2026 by EventBridge Scheduler, in milliseconds since 1970.
fn fired(expression: &str, timezone: &str) -> BTreeSet<u64> {
    let zone: Tz = timezone.parse().unwrap();
    let inner = expression
        .strip_prefix("cron(")
        .unwrap()
        .strip_suffix(')')
        .unwrap();
    let fields: Vec<&str> = inner.split(' ').collect();
    let [minute, hour, of_month, month, of_week, "*"] = fields[..] else {
        panic!("{expression}");
    };
    let (minutes, hours) = (numbers(minute, 0, 59), numbers(hour, 0, 23));
    let months = numbers(month, 1, 12);
    let is_due = |day: &NaiveDate| months.contains(&day.month()) && is_day(*day, of_month, of_week);
    let mut all = BTreeSet::new();
    for day in days().filter(is_due) {
        for hour in &hours {
            for minute in &minutes {
                let shown = day.and_hms_opt(*hour, *minute, 0).unwrap();
                match zone.from_local_datetime(&shown) {
                    // Left out.
                    LocalResult::None => {}
                    LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => {
                        all.insert(u64::try_from(at.timestamp_millis()).unwrap());
                    }
                }
            }
        }
    }
    all
}

/// The same by ours.
fn due(spec: &ScheduleSpec) -> BTreeSet<u64> {
    let schedule = Schedule::new(spec).unwrap();
    let zone: Tz = spec.timezone.parse().unwrap();
    let midnight = |day: NaiveDate| {
        let at = zone.from_local_datetime(&day.and_hms_opt(0, 0, 0).unwrap());
        u64::try_from(at.earliest().unwrap().timestamp_millis()).unwrap()
    };
    // A part at a time: no more than a bounded number is found at once.
    days()
        .flat_map(|day| schedule.due(midnight(day) - 1, midnight(day.succ_opt().unwrap()) - 1))
        .collect()
}

/// Days around one on which clocks are set.
fn is_set(timezone: &str, ms: u64) -> bool {
    let zone: Tz = timezone.parse().unwrap();
    let offset = |ms: i64| zone.timestamp_millis_opt(ms).unwrap().offset().fix();
    let (ms, day) = (i64::try_from(ms).unwrap(), 24 * 3_600_000);
    offset(ms - day) != offset(ms + day)
}

#[test]
fn a_year_of_firings_is_the_same_at_eventbridge_in_five_time_zones() {
    let crons = [
        "* * * * *",
        "*/5 * * * *",
        "7-59/20 * * * *",
        "0 * * * *",
        "0 9 * * *",
        "30 2 * * *",
        "15,45 */6 * * *",
        "0 9 * * MON-FRI",
        "0 9 * * 1-5",
        "0 9 * * 5-7",
        "0 12 * * 0,3",
        "0 0 1 * *",
        "0 0 1,15 */3 *",
        "59 23 L * *",
        "0 8 15W * *",
        "0 8 1W * *",
        "0 10 * * 2#1",
        "0 10 * * FRI#3",
        "0 0 29 2 *",
        "0 5 * JAN,JUL *",
        "@daily",
        "@hourly",
        "0 */10 * * * *",
    ];
    for timezone in ZONES {
        for cron in crons {
            if cron == "* * * * *" && timezone != "Australia/Lord_Howe" {
                // Half a million firings take their time; what can differ there shows in one zone.
                continue;
            }
            let ours = spec(cron, timezone);
            let there = to_eventbridge(&ours).unwrap_or_else(|why| panic!("{cron}: {why}"));
            let wanted = due(&ours);
            let fired = fired(&there.expression, &there.timezone);
            // The year begins and ends at other moments in UTC.
            let all = wanted.symmetric_difference(&fired);
            let differ: Vec<&u64> = all
                .filter(|at| (FIRST_DAY_OVER..LAST_DAY).contains(*at))
                .filter(|at| there.is_exact || !is_set(timezone, **at))
                .collect();
            assert!(differ.is_empty(), "{cron} {timezone} {there:?}: {differ:?}");
            assert!(!wanted.is_empty() || cron == "0 0 29 2 *", "{cron}");
            let back = from_eventbridge(&there.expression).unwrap();
            let again = to_eventbridge(&spec(&back, &there.timezone)).unwrap();
            assert_eq!(again.expression, there.expression, "{cron} → {back}");
        }
    }
}

#[test]
fn a_cron_expression_that_eventbridge_lacks_is_refused_with_the_reason() {
    let refused = |cron: &str| to_eventbridge(&spec(cron, "UTC")).unwrap_err();
    assert!(refused("*/10 * * * * *").contains("seconds"));
    assert!(refused("0 9 13 * FRI").contains("days of the month and days of the week"));
    assert!(refused("0 9 * * FRIL").contains("FRIL"));
    assert!(refused("0 9 1W,15W * *").contains("1W,15W"));
    assert!(refused("0 9 LW * *").contains("LW"));
}

#[test]
fn only_times_that_clocks_can_skip_or_repeat_are_not_exact() {
    let exact = |cron, timezone| to_eventbridge(&spec(cron, timezone)).unwrap().is_exact;
    assert!(exact("*/5 * * * *", "Europe/Berlin"));
    assert!(exact("0 9 * * *", "Asia/Kolkata"));
    assert!(exact("0 9 * * *", "Europe/Berlin"));
    assert!(!exact("30 2 * * *", "Europe/Berlin"));
    let half = to_eventbridge(&spec("0 * * * *", "Asia/Kolkata")).unwrap();
    assert_eq!(half.expression, "cron(30 * * * ? *)");
    assert_eq!(half.timezone, "UTC");
}
