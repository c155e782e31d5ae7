//! Cron expressions as moments after a beginning.

use std::time::Duration;

use fnlocal_core::trigger::ScheduleSpec;
use fnlocal_triggers::schedule::{Schedule, ScheduleError};

use super::PrescaleConfig;

/// The maximum number of occurrences of one pre-scaling.
const MAX_OCCURRENCES: usize = 1000;

/// Why a pre-scaling makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("prescale `{name}`: {why}")]
pub struct PrescaleError {
    /// The prescale's name.
    pub name: String,
    /// The error in its time.
    pub why: ScheduleError,
}

fnlocal_api::user_error!(PrescaleError: Config {
    Self { why, .. } => fnlocal_api::UserError::hint(why);
});

impl PrescaleConfig {
    /// How long after `begin`, in seconds since 1970, it happens: all of that within `span`, as far
    /// as that is not more than 1,000.
    ///
    /// # Errors
    /// [`PrescaleError`].
    pub fn occurrences(&self, begin: i64, span: Duration) -> Result<Vec<Duration>, PrescaleError> {
        let spec = ScheduleSpec {
            timezone: self.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
            ..ScheduleSpec::cron(&*self.cron)
        };
        let schedule = Schedule::new(&spec).map_err(|why| PrescaleError {
            name: self.name.clone(),
            why,
        })?;
        let begin = u64::try_from(begin).unwrap_or_default();
        let after = |at: u64| at.checked_sub(begin).map(Duration::from_secs);
        let times = schedule.times_from(begin).map_while(after);
        let times = times.take_while(|after| *after <= span);
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
    fn a_prescale_in_kolkata_time_occurs_at_the_matching_utc_times() {
        // 2026-11-27, a Friday, 11:30.
        let begin = 1_795_779_000;
        let sale = sale("30 17 * * FRI", Some("Asia/Kolkata"));
        let within = |seconds| sale.occurrences(begin, Duration::from_secs(seconds));
        let half_an_hour = Duration::from_secs(1800);
        assert_eq!(within(1000).unwrap(), []);
        assert_eq!(within(3600).unwrap(), [half_an_hour]);
        let next = Duration::from_secs(1800 + 7 * DAY);
        assert_eq!(within(8 * DAY).unwrap(), [half_an_hour, next]);
    }

    #[test]
    fn the_number_of_prescale_occurrences_is_bounded() {
        let often = sale("* * * * *", None).occurrences(0, Duration::from_secs(365 * DAY));
        assert_eq!(often.unwrap().len(), MAX_OCCURRENCES);
    }

    #[test]
    fn an_invalid_prescale_entry_is_refused_with_the_entry() {
        let error = |sale: PrescaleConfig| {
            let error = sale.occurrences(0, Duration::from_secs(10)).unwrap_err();
            (error.to_string(), error.hint().unwrap())
        };
        let (said, hint) = error(sale("often", None));
        assert!(
            said.contains("`often`") && hint.contains("minute"),
            "{said}"
        );
        let (said, _) = error(sale("0 9 30 2 *", None));
        assert!(said.contains("never due"), "{said}");
        let (said, hint) = error(sale("0 9 * * *", Some("Mars/Base")));
        assert!(said.contains("`Mars/Base`") && hint.contains("timezone"));
    }
}
