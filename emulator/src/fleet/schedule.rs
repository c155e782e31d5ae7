//! Scheduled actions: cron expressions as moments of the fleet's time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use croner::Cron;
use fnlocal_core::scaling::Scheduled;
use fnlocal_core::time::Instant;

use crate::project::Prescale;

/// How far ahead actions are looked for: no fleet on a laptop runs longer.
const AHEAD: Duration = Duration::from_secs(31 * 24 * 3600);
/// Occurrences of one action at the most.
const MOST: usize = 1000;

/// Why a scheduled action makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Its expression.
    #[error("prescale `{name}`: `{cron}` is no cron expression: {why}")]
    Expression {
        /// The action.
        name: String,
        /// As written.
        cron: String,
        /// What is wrong.
        why: String,
    },
    /// Its time zone.
    #[error("prescale `{name}`: `{zone}` is no time zone")]
    Zone {
        /// The action.
        name: String,
        /// As written.
        zone: String,
    },
}

impl ScheduleError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Expression { .. } => "as in cron = \"30 17 * * FRI\"",
            Self::Zone { .. } => "as in timezone = \"Asia/Kolkata\"",
        }
        .to_owned()
    }
}

/// When the actions happen, from a fleet's beginning at `begin`.
pub(super) fn scheduled(
    actions: &[Prescale],
    begin: SystemTime,
) -> Result<Vec<Scheduled>, ScheduleError> {
    let mut all = Vec::new();
    for action in actions {
        for after in occurrences(action, begin)? {
            all.push(Scheduled {
                at: Instant::START + after,
                min: Some(action.min),
                max: None,
            });
        }
    }
    Ok(all)
}

fn occurrences(action: &Prescale, begin: SystemTime) -> Result<Vec<Duration>, ScheduleError> {
    let name = || action.name.clone();
    let zone = action.timezone.as_deref().unwrap_or("UTC");
    let zone: Tz = zone.parse().map_err(|_| ScheduleError::Zone {
        name: name(),
        zone: zone.to_owned(),
    })?;
    let cron = action.cron.parse::<Cron>();
    let cron = cron.map_err(|error| ScheduleError::Expression {
        name: name(),
        cron: action.cron.clone(),
        why: error.to_string(),
    })?;
    let since_epoch = begin.duration_since(UNIX_EPOCH).unwrap_or_default();
    let begin = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let Some(start) = zone.timestamp_opt(begin, 0).single() else {
        return Ok(Vec::new());
    };
    let after = |at: DateTime<Tz>| {
        let seconds = u64::try_from(at.timestamp() - begin).ok();
        seconds.map(Duration::from_secs)
    };
    let times = cron.iter_from(start, croner::Direction::Forward);
    let times = times.map_while(after).take_while(|after| *after <= AHEAD);
    Ok(times.take(MOST).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

    use super::*;

    fn sale(cron: &str, timezone: &str) -> Prescale {
        Prescale {
            name: "sale".to_owned(),
            cron: cron.to_owned(),
            timezone: Some(timezone.to_owned()),
            min: 12,
        }
    }

    #[test]
    fn half_past_five_in_kolkata_is_noon_of_utc() {
        // A Friday.
        let begin = chrono::Utc.with_ymd_and_hms(2026, 11, 27, 11, 30, 0);
        let begin = u64::try_from(begin.unwrap().timestamp()).unwrap();
        let begin = UNIX_EPOCH + Duration::from_secs(begin);
        let sale = sale("30 17 * * FRI", "Asia/Kolkata");
        let all = scheduled(&[sale], begin).unwrap();
        assert_eq!(all[0].at, Instant::START + Duration::from_secs(1800));
        assert_eq!(all[0].min, Some(12));
        assert_eq!(all.len(), 5, "{all:?}");
    }

    #[test]
    fn nonsense_is_named() {
        let error = |sale| {
            scheduled(&[sale], SystemTime::now())
                .unwrap_err()
                .to_string()
        };
        assert!(error(sale("often", "UTC")).contains("`often`"));
        assert!(error(sale("0 9 * * *", "Mars/Base")).contains("`Mars/Base`"));
    }
}
