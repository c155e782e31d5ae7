//! The fleet's time, which may run faster than that of its requests.

use fnlocal_core::time::Instant;

/// Turns microseconds of the simulation into the fleet's time, and back.
#[derive(Clone, Copy)]
pub(super) struct SimulationClock(f64);

impl SimulationClock {
    /// Returns the clock of a fleet whose time runs faster by `scale`.
    pub fn new(scale: f64) -> Self {
        Self(scale)
    }

    /// How many times as fast.
    pub fn scale(self) -> f64 {
        self.0
    }

    /// The fleet's time at a moment of the simulation.
    pub fn fleet(self, now: u64) -> Instant {
        Instant::from_micros((now as f64 * self.0).round() as u64)
    }

    /// The first moment of the simulation at which the fleet's time has come.
    pub fn real(self, at: Instant) -> u64 {
        (at.as_micros() as f64 / self.0).ceil() as u64
    }

    /// How long a span of the fleet's time takes in the simulation.
    pub fn span(self, micros: u64) -> u64 {
        (micros as f64 / self.0).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_deadline_has_passed_at_its_converted_real_time() {
        for scale in [1.0, 3.0, 7.3, 10.0, 1000.0] {
            let clock = SimulationClock::new(scale);
            for micros in (0..50_000_000_u64).step_by(333_331) {
                let at = Instant::from_micros(micros);
                assert!(clock.fleet(clock.real(at)) >= at, "{micros} at {scale}");
            }
        }
    }
}
