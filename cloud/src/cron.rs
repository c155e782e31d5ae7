//! Cron expressions in the language of EventBridge Scheduler, and back.
//!
//! By "Schedule types in EventBridge Scheduler" of its User Guide: fields are minutes, hours, day of
//! month, month, day of week and year; one of the two days must be `?`; days of the week are
//! counted from 1 for Sunday; nothing is due between two minutes. A time that does not exist
//! because clocks are put forward is left out, and one that comes twice is due once. Ours is due
//! after the gap, and both times if its hour is `*` ([`fnlocal_triggers::schedule`]). So what is due
//! in every hour is written in UTC, where no clock is set.

use std::collections::BTreeSet;

use fnlocal_core::trigger::ScheduleSpec;
use fnlocal_triggers::schedule::ZoneClocks;

/// The maximum number of characters of an expression, by CreateSchedule.
const MAX_EXPRESSION: usize = 256;
/// Days of the week, as both languages spell them.
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// A schedule as EventBridge Scheduler has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleExpression {
    /// The expression, such as `cron(0 9 ? * MON-FRI *)`.
    pub expression: String,
    /// Its time zone.
    pub timezone: String,
    /// Returns `false` if times may differ on days when clocks are set.
    pub is_exact: bool,
}

/// Translates a schedule.
///
/// # Errors
/// The reason why EventBridge Scheduler has no such schedule, for people.
pub fn to_eventbridge(spec: &ScheduleSpec) -> Result<ScheduleExpression, String> {
    let cron = spelled_out(&spec.cron);
    let mut fields: Vec<&str> = cron.split_whitespace().collect();
    if fields.len() == 6 && !fields.remove(0).trim_start_matches('0').is_empty() {
        return Err("it names seconds, and the precision there is one minute".to_owned());
    }
    let [minute, hour, day, month, weekday] = fields[..] else {
        return Err("it has no five fields".to_owned());
    };
    let minutes = values(minute, 0, 59, &[])?;
    let hours = values(hour, 0, 23, &[])?;
    let months = values(month, 1, 12, &MONTHS)?;
    let days = days(day)?;
    let weekdays = weekdays(weekday)?;
    if days.is_some() && weekdays.is_some() {
        return Err("it names days of the month and days of the week".to_owned());
    }
    let clocks = ZoneClocks::new(&spec.timezone).map_err(|error| error.to_string())?;
    let is_hourly = hours.len() == 24 && months.len() == 12 && days.is_none() && weekdays.is_none();
    let shifts = clocks.offsets.iter();
    let shifts: BTreeSet<i64> = shifts.map(|offset| offset.rem_euclid(3600)).collect();
    let (minutes, timezone) = match shifts.first() {
        Some(shift) if is_hourly && shifts.len() == 1 => (shifted(&minutes, *shift), "UTC"),
        _ => (minutes, spec.timezone.as_str()),
    };
    let day = match (&days, &weekdays) {
        (Some(days), _) => days.as_str(),
        (None, Some(_)) => "?",
        (None, None) => "*",
    };
    let weekday = weekdays.as_deref().unwrap_or("?");
    let (minute, hour) = (written(&minutes, 0, 59), written(&hours, 0, 23));
    let month = written(&months, 1, 12);
    let expression = format!("cron({minute} {hour} {day} {month} {weekday} *)");
    if expression.len() > MAX_EXPRESSION {
        return Err(format!(
            "it is longer than {MAX_EXPRESSION} characters there"
        ));
    }
    Ok(ScheduleExpression {
        expression,
        is_exact: timezone == "UTC" || hours.is_disjoint(&clocks.set_hours),
        timezone: timezone.to_owned(),
    })
}

/// Translates an expression of ours at EventBridge Scheduler back. `None` if it is no such one.
#[must_use]
pub fn from_eventbridge(expression: &str) -> Option<String> {
    let inner = expression.strip_prefix("cron(")?.strip_suffix(')')?;
    let fields: Vec<&str> = inner.split_whitespace().collect();
    let [minute, hour, day, month, weekday, "*"] = fields[..] else {
        return None;
    };
    let plain = |field: &str, max: u32| match field.split_once('/') {
        // `5/10` there is `5-59/10` here.
        Some((from, step)) => format!("{from}-{max}/{step}"),
        None => field.to_owned(),
    };
    let day = if day == "?" { "*" } else { day };
    let day = plain(day, 31);
    let weekday = match weekday.split_once('#') {
        Some((weekday, nth)) => format!("{}#{nth}", weekday.parse::<u32>().ok()?.checked_sub(1)?),
        None if weekday == "?" => "*".to_owned(),
        None => weekday.to_owned(),
    };
    let (minute, hour, month) = (plain(minute, 59), plain(hour, 23), plain(month, 12));
    Some(format!("{minute} {hour} {day} {month} {weekday}"))
}

/// The names that stand for whole expressions.
fn spelled_out(cron: &str) -> String {
    let cron = cron.trim();
    let known = match cron.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => cron,
    };
    known.to_ascii_uppercase()
}

/// Returns the days of the month. `None` for all of them.
fn days(field: &str) -> Result<Option<String>, String> {
    let nearest = field
        .strip_suffix('W')
        .and_then(|day| day.parse::<u32>().ok());
    if field == "L" || nearest.is_some_and(|day| (1..=31).contains(&day)) {
        return Ok(Some(field.to_owned()));
    }
    let days = values(field, 1, 31, &[])?;
    Ok((days.len() < 31).then(|| written(&days, 1, 31)))
}

/// Returns the days of the week. `None` for all of them.
fn weekdays(field: &str) -> Result<Option<String>, String> {
    if let Some((weekday, nth)) = field.split_once('#') {
        let one = values(weekday, 0, 7, &WEEKDAYS)?;
        let nth = nth.parse::<u32>().ok().filter(|nth| (1..=5).contains(nth));
        return match (one.first(), one.len(), nth) {
            (Some(weekday), 1, Some(nth)) => Ok(Some(format!("{}#{nth}", weekday % 7 + 1))),
            _ => Err(format!("`{field}` cannot be said there")),
        };
    }
    let days: BTreeSet<u32> = values(field, 0, 7, &WEEKDAYS)?
        .iter()
        .map(|day| day % 7)
        .collect();
    if days.len() == 7 {
        return Ok(None);
    }
    let names: Vec<&str> = days.iter().map(|day| WEEKDAYS[*day as usize]).collect();
    let (first, last) = (names[0], names[names.len() - 1]);
    let is_run = days.len() > 2 && is_contiguous(&days);
    Ok(Some(if is_run {
        format!("{first}-{last}")
    } else {
        names.join(",")
    }))
}

/// Returns the values of a field that is a list of values, ranges and steps.
fn values(field: &str, min: u32, max: u32, names: &[&str]) -> Result<BTreeSet<u32>, String> {
    let refused = || format!("`{field}` cannot be said there");
    let value = |text: &str| {
        let named = names.iter().position(|name| *name == text);
        let named = named
            .and_then(|at| u32::try_from(at).ok())
            .map(|at| at + min);
        let value = named.or_else(|| text.parse().ok());
        value
            .filter(|value| (min..=max).contains(value))
            .ok_or_else(refused)
    };
    let mut all = BTreeSet::new();
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)),
            None => (item, Some(1)),
        };
        let step: usize = step.ok_or_else(refused)?;
        let (first, last) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (min, if max == 7 { 6 } else { max }),
            Some((first, last)) => (value(first)?, value(last)?),
            None if item.contains('/') => (value(range)?, max),
            None => (value(range)?, value(range)?),
        };
        if first > last {
            return Err(refused());
        }
        all.extend((first..=last).step_by(step));
    }
    Ok(all)
}

/// Writes values: all, a step to the end of the range, a run, or a list.
fn written(values: &BTreeSet<u32>, min: u32, max: u32) -> String {
    let all: Vec<u32> = values.iter().copied().collect();
    let (first, last) = (all[0], all[all.len() - 1]);
    if all.len() == (max - min + 1) as usize {
        return "*".to_owned();
    }
    if all.len() > 2 {
        let step = all[1] - first;
        let is_even = all.windows(2).all(|two| two[1] - two[0] == step);
        if is_even && step > 1 && last + step > max {
            return format!("{first}/{step}");
        }
        if is_contiguous(values) {
            return format!("{first}-{last}");
        }
    }
    let texts: Vec<String> = all.iter().map(u32::to_string).collect();
    texts.join(",")
}

fn is_contiguous(values: &BTreeSet<u32>) -> bool {
    let (first, last) = (values.first(), values.last());
    let span = first.zip(last).map_or(0, |(first, last)| last - first + 1);
    span as usize == values.len()
}

/// The minutes that a clock shows which is `seconds` behind.
fn shifted(minutes: &BTreeSet<u32>, seconds: i64) -> BTreeSet<u32> {
    let by = u32::try_from(seconds / 60).unwrap_or_default();
    minutes
        .iter()
        .map(|minute| (minute + 60 - by) % 60)
        .collect()
}
