//! Pre-scalings at times of day, as seconds from the beginning of a simulation.

use chrono::{DateTime, TimeZone as _};
use chrono_tz::Tz;
use croner::Cron;
use fnlocal_emulator::project::Prescale;

/// Occurrences of one pre-scaling at the most: a simulation of months has no use for more.
const MOST: usize = 1000;

/// Why a time of day makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum CronError {
    /// The expression.
    #[error("`{expression}` is no cron expression: {source}")]
    Expression {
        /// As written.
        expression: String,
        /// Why.
        source: croner::errors::CronError,
    },
    /// The time zone.
    #[error("`{0}` is no time zone")]
    Zone(String),
    /// When the load begins.
    #[error("`{0}` is no time")]
    Begin(String),
}

/// Seconds from `begin` at which a pre-scaling happens within so many seconds.
///
/// # Errors
/// [`CronError`].
pub fn occurrences(prescale: &Prescale, begin: i64, seconds: f64) -> Result<Vec<f64>, CronError> {
    let zone = prescale.timezone.as_deref().unwrap_or("UTC");
    let zone: Tz = zone.parse().map_err(|_| CronError::Zone(zone.to_owned()))?;
    let cron: Cron = prescale
        .cron
        .parse()
        .map_err(|source| CronError::Expression {
            expression: prescale.cron.clone(),
            source,
        })?;
    let Some(start) = zone.timestamp_opt(begin, 0).single() else {
        return Ok(Vec::new());
    };
    let since = |at: &DateTime<Tz>| (at.timestamp() - begin) as f64;
    let times = cron.iter_from(start, croner::Direction::Forward);
    let times = times.take_while(|at| since(at) <= seconds).take(MOST);
    Ok(times.map(|at| since(&at)).collect())
}

/// Seconds since 1970 of `2026-11-27T17:00[Asia/Kolkata]`, `2026-11-27T11:30Z`, or a time of UTC.
///
/// # Errors
/// [`CronError::Begin`].
pub fn begin(text: &str) -> Result<i64, CronError> {
    let zoned = text
        .parse::<jiff::ZonedDateTime>()
        .map(|time| time.timestamp());
    let time = zoned.or_else(|_| text.parse::<jiff::Timestamp>());
    let time = time.or_else(|_| {
        let civil: jiff::civil::DateTime = text.parse()?;
        civil.in_tz("UTC").map(|time| time.timestamp())
    });
    let bad = |_: jiff::Error| CronError::Begin(text.to_owned());
    Ok(time.map_err(bad)?.as_second())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

    use super::*;

    fn sale(cron: &str, timezone: Option<&str>) -> Prescale {
        Prescale {
            name: "sale".to_owned(),
            cron: cron.to_owned(),
            timezone: timezone.map(str::to_owned),
            min: 12,
        }
    }

    #[test]
    fn half_past_five_on_fridays_in_kolkata_is_noon_of_utc() {
        // 2026-11-27 is a Friday.
        let begin = begin("2026-11-27T17:00[Asia/Kolkata]").unwrap();
        assert_eq!(begin, self::begin("2026-11-27T11:30Z").unwrap());
        let sale = sale("30 17 * * FRI", Some("Asia/Kolkata"));
        assert_eq!(occurrences(&sale, begin, 3600.0).unwrap(), [1800.0]);
        assert_eq!(
            occurrences(&sale, begin, 1000.0).unwrap(),
            Vec::<f64>::new()
        );
        let week = occurrences(&sale, begin, 8.0 * 86_400.0).unwrap();
        assert_eq!(week, [1800.0, 1800.0 + 7.0 * 86_400.0]);
    }

    #[test]
    fn nonsense_is_named() {
        let error = |sale: &Prescale| occurrences(sale, 0, 10.0).unwrap_err().to_string();
        assert!(error(&sale("often", None)).contains("`often`"));
        assert!(error(&sale("0 9 * * *", Some("Mars/Base"))).contains("Mars/Base"));
        assert!(begin("tomorrow").is_err());
    }
}
