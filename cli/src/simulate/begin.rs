//! When a simulated load begins, for what happens at times of day.

/// Not a moment.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a time")]
pub struct BadTime(String);

/// Seconds since 1970 of `2026-11-27T17:00[Asia/Kolkata]`, `2026-11-27T11:30Z`, or a time of UTC.
///
/// # Errors
/// [`BadTime`].
pub fn begin(text: &str) -> Result<i64, BadTime> {
    let zoned = text
        .parse::<jiff::ZonedDateTime>()
        .map(|time| time.timestamp());
    let time = zoned.or_else(|_| text.parse::<jiff::Timestamp>());
    let time = time.or_else(|_| {
        let civil: jiff::civil::DateTime = text.parse()?;
        civil.in_tz("UTC").map(|time| time.timestamp())
    });
    let bad = |_: jiff::Error| BadTime(text.to_owned());
    Ok(time.map_err(bad)?.as_second())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

    use super::*;

    #[test]
    fn a_start_time_is_utc_unless_it_names_a_time_zone() {
        let noon = begin("2026-11-27T11:30Z").unwrap();
        assert_eq!(begin("2026-11-27T17:00[Asia/Kolkata]").unwrap(), noon);
        assert_eq!(begin("2026-11-27T11:30").unwrap(), noon);
        assert!(begin("tomorrow").is_err());
    }
}
