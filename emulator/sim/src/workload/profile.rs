//! A rate over time, as straight lines, and its inverse: the time by which a number of requests has
//! come.

use super::{RateShape, Workload};

/// Straight lines that stand for one day's sine: enough that none is off by a thousandth.
const LINES_A_DAY: u32 = 288;

/// A straight line of the rate.
#[derive(Clone, Copy, Debug)]
struct RateLine {
    from: f64,
    to: f64,
    /// Rates at both ends.
    rates: (f64, f64),
    /// Expected arrivals before it.
    before: f64,
}

impl RateLine {
    fn mass(&self) -> f64 {
        (self.to - self.from) * f64::midpoint(self.rates.0, self.rates.1)
    }

    /// When `mass` more arrivals than before have been expected.
    fn when(&self, mass: f64) -> f64 {
        let (start, end) = self.rates;
        let slope = (end - start) / (self.to - self.from);
        if slope.abs() < 1e-12 {
            return self.from + mass / start;
        }
        // The root of slope/2 t² + start t = mass, in the form that does not cancel.
        let root = (start * start + 2.0 * slope * mass).max(0.0).sqrt();
        self.from + 2.0 * mass / (start + root)
    }
}

/// A rate over time.
#[derive(Clone, Debug)]
pub(super) struct RateProfile {
    lines: Vec<RateLine>,
    /// The line last looked at.
    at: usize,
}

impl RateProfile {
    /// Of a workload.
    pub(super) fn new(workload: &Workload) -> Self {
        let mut profile = Self {
            lines: Vec::new(),
            at: 0,
        };
        let end = workload.duration;
        match workload.shape {
            RateShape::Steady { rps } => profile.line(0.0, end, (rps, rps)),
            RateShape::Ramp { from, to, at, over } => {
                profile.line(0.0, at.min(end), (from, from));
                let top = at + over;
                let reached = if over > 0.0 {
                    from + (to - from) * ((end - at) / over).clamp(0.0, 1.0)
                } else {
                    to
                };
                profile.line(at, top.min(end), (from, reached));
                profile.line(top, end, (to, to));
            }
            RateShape::Diurnal { low, high, period } => {
                let rate = |t: f64| {
                    let turn = t / period * std::f64::consts::TAU;
                    low + (high - low) * f64::midpoint(1.0, -turn.cos())
                };
                let step = period / f64::from(LINES_A_DAY);
                let mut from = 0.0;
                while from < end && step > 0.0 {
                    let to = (from + step).min(end);
                    profile.line(from, to, (rate(from), rate(to)));
                    from += step;
                }
            }
        }
        profile
    }

    fn line(&mut self, from: f64, to: f64, rates: (f64, f64)) {
        if to > from {
            let before = self.total();
            self.lines.push(RateLine {
                from,
                to,
                rates,
                before,
            });
        }
    }

    /// Expected arrivals.
    pub(super) fn total(&self) -> f64 {
        self.lines
            .last()
            .map_or(0.0, |last| last.before + last.mass())
    }

    /// Returns the time in seconds by which `mass` arrivals are expected; `None` after the end.
    /// `mass` must not shrink from call to call.
    pub(super) fn when(&mut self, mass: f64) -> Option<f64> {
        while let Some(line) = self.lines.get(self.at) {
            if mass < line.before + line.mass() {
                return Some(line.when(mass - line.before));
            }
            self.at += 1;
        }
        None
    }
}
