//! The fleet's time, which may run faster than that of its requests.

use std::time::{Duration, Instant as Wall};

use fnlocal_core::time::{Instant, bounded_secs, scaled};

/// Time as the balancer and the group see it.
pub(super) struct FleetClock {
    began: Wall,
    scale: f64,
}

impl FleetClock {
    /// Returns a clock that begins now and runs faster by `scale`.
    pub fn new(scale: f64) -> Self {
        let began = Wall::now();
        Self { began, scale }
    }

    pub fn now(&self) -> Instant {
        let passed = scaled(self.began.elapsed(), self.scale);
        Instant::START + passed
    }

    /// How many times as fast.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// How long a span of the fleet's time really takes.
    pub fn real(&self, span: Duration) -> Duration {
        bounded_secs(span.as_secs_f64() / self.scale)
    }

    /// When a moment of the fleet's time really is.
    pub fn at(&self, moment: Instant) -> tokio::time::Instant {
        let since = moment.since(Instant::START);
        (self.began + self.real(since)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_time_scale_10_a_minute_takes_six_seconds() {
        let clock = FleetClock::new(10.0);
        let minute = Duration::from_secs(60);
        assert_eq!(clock.real(minute), Duration::from_secs(6));
        let at = clock.at(Instant::START + minute);
        assert_eq!(
            at.into_std().duration_since(clock.began),
            Duration::from_secs(6)
        );
    }
}
