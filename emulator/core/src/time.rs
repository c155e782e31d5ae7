//! Instants and spans the core reasons about.
//!
//! The core never reads a clock: the driver passes wall time measured since it started, the
//! simulation passes virtual time, and both can be written to a file and replayed.

//!
//! Numbers that come from outside (instances, peers, files, people) become spans only by
//! [`bounded_secs`], [`bounded_millis`] and [`scaled`], which take every number. The standard
//! library's own conversions panic on what is negative, too large or no number; `clippy.toml`
//! disallows them.

pub use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest span taken from outside: a hundred years, so that no sum of a few overflows.
pub const LONGEST_SPAN: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Returns a span of `seconds`, between zero and [`LONGEST_SPAN`]. Zero for what is negative or no
/// number.
#[must_use]
pub fn bounded_secs(seconds: f64) -> Duration {
    match Duration::try_from_secs_f64(seconds) {
        Ok(span) => span.min(LONGEST_SPAN),
        Err(_) if seconds > 0.0 => LONGEST_SPAN,
        Err(_) => Duration::ZERO,
    }
}

/// Returns a span of `millis` milliseconds, bounded as [`bounded_secs`] is.
#[must_use]
pub fn bounded_millis(millis: f64) -> Duration {
    bounded_secs(millis / 1000.0)
}

/// Returns `factor` times a span, bounded as [`bounded_secs`] is.
#[must_use]
pub fn scaled(span: Duration, factor: f64) -> Duration {
    bounded_secs(span.as_secs_f64() * factor)
}

/// Microseconds since the node started.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Instant(u64);

impl Instant {
    /// The moment the node started.
    pub const START: Self = Self(0);

    /// Returns the instant `micros` microseconds after the start.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the instant `millis` milliseconds after the start.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Microseconds since the start.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_untrusted_number_becomes_a_duration_within_bounds() {
        let tiny = f64::MIN_POSITIVE;
        let none = [-1.0, -1e22, f64::NEG_INFINITY, f64::NAN, -0.0, 0.0, tiny];
        for number in none {
            assert_eq!(bounded_secs(number), Duration::ZERO, "{number}");
            assert_eq!(bounded_millis(number), Duration::ZERO, "{number}");
        }
        for number in [1e22, f64::MAX, f64::INFINITY, u64::MAX as f64] {
            assert_eq!(bounded_secs(number), LONGEST_SPAN, "{number}");
            assert_eq!(scaled(LONGEST_SPAN, number), LONGEST_SPAN, "{number}");
        }
        assert_eq!(bounded_millis(1500.0), Duration::from_millis(1500));
        assert_eq!(scaled(Duration::from_secs(10), 0.3), Duration::from_secs(3));
    }
}
