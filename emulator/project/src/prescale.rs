//! Cron expressions as moments after a beginning.

use std::time::Duration;

use super::PrescaleConfig;
use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use croner::{Cron, Direction};

/// The maximum number of occurrences of one pre-scaling.
const MAX_OCCURRENCES: usize = 1000;

/// Why a pre-scaling makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrescaleError {
    /// Its expression.
    #[error("prescale `{name}`: `{cron}` is not a cron expression")]
    Expression {
        /// Its name.
        name: String,
        /// As written.
        cron: String,
        /// The error.
        source: croner::errors::CronError,
    },
    /// Its time zone.
    #[error("prescale `{name}`: `{zone}` is not a time zone")]
    Zone {
        /// Its name.
        name: String,
        /// As written.
        zone: String,
    },
}

fnlocal_api::user_error!(PrescaleError: Config {
    Self::Expression { .. } => "as in cron = \"30 17 * * FRI\"";
    Self::Zone { .. } => "as in timezone = \"Asia/Kolkata\"";
});

impl PrescaleConfig {
    /// How long after `begin`, in seconds since 1970, it happens: all of that within `span`, as far
    /// as that is not more than 1,000.
    ///
    /// # Errors
    /// [`PrescaleError`].
    pub fn occurrences(&self, begin: i64, span: Duration) -> Result<Vec<Duration>, PrescaleError> {
        let zone = self.timezone.as_deref().unwrap_or("UTC");
        let zone: Tz = zone.parse().map_err(|_| PrescaleError::Zone {
            name: self.name.clone(),
            zone: zone.to_owned(),
        })?;
        let cron: Cron = self
            .cron
            .parse()
            .map_err(|source| PrescaleError::Expression {
                name: self.name.clone(),
                cron: self.cron.clone(),
                source,
            })?;
        // Seconds name at most one moment; `None` beyond the calendar's end.
        let Some(start) = zone.timestamp_opt(begin, 0).single() else {
            return Ok(Vec::new());
        };
        let after = |at: DateTime<Tz>| {
            let seconds = u64::try_from(at.timestamp() - begin).ok();
            seconds.map(Duration::from_secs)
        };
        let times = cron.iter_from(start, Direction::Forward);
        let times = times.map_while(after).take_while(|after| *after <= span);
        Ok(times.take(MAX_OCCURRENCES).collect())
    }
}

#[cfg(test)]
mod tests {
    use fnlocal_api::UserError;

    use super::*;

    const DAY: u64 = 86_400;

    fn sale(cron: &str, timezone: Option<&str>) -> PrescaleConfig {
        PrescaleConfig {
            name: "sale".to_owned(),
            cron: cron.to_owned(),
            timezone: timezone.map(str::to_owned),
            min: 12,
        }
    }

    #[test]
    fn half_past_five_on_fridays_in_kolkata_is_noon_of_utc() {
        // 2026-11-27 is a Friday.
        let begin = chrono::Utc.with_ymd_and_hms(2026, 11, 27, 11, 30, 0);
        let begin = begin.unwrap().timestamp();
        let sale = sale("30 17 * * FRI", Some("Asia/Kolkata"));
        let within = |seconds| sale.occurrences(begin, Duration::from_secs(seconds));
        let half_an_hour = Duration::from_secs(1800);
        assert_eq!(within(1000).unwrap(), []);
        assert_eq!(within(3600).unwrap(), [half_an_hour]);
        let next = Duration::from_secs(1800 + 7 * DAY);
        assert_eq!(within(8 * DAY).unwrap(), [half_an_hour, next]);
    }

    #[test]
    fn one_every_minute_is_not_looked_for_without_end() {
        let often = sale("* * * * *", None).occurrences(0, Duration::from_secs(365 * DAY));
        assert_eq!(often.unwrap().len(), MAX_OCCURRENCES);
    }

    #[test]
    fn nonsense_is_named() {
        let error = |sale: PrescaleConfig| {
            let error = sale.occurrences(0, Duration::from_secs(10)).unwrap_err();
            (error.to_string(), error.hint().unwrap())
        };
        let (said, hint) = error(sale("often", None));
        assert!(said.contains("`often`") && hint.contains("cron"), "{said}");
        let (said, hint) = error(sale("0 9 * * *", Some("Mars/Base")));
        assert!(said.contains("`Mars/Base`") && hint.contains("timezone"));
    }
}
