//! Requests that arrive: when, and for which function.

mod profile;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::Distribution as _;
use rand_distr::Exp1;
use rand_distr::weighted::WeightedAliasIndex;
use serde::{Deserialize, Serialize};

use crate::rng::{Use, stream};
use crate::trace::{RequestTrace, TraceError};
use profile::RateProfile;

/// How the rate goes over time. Rates are requests a second of all functions together, spans are
/// in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateShape {
    /// The same all the time.
    Steady {
        /// The rate.
        rps: f64,
    },
    /// A rise from one rate to another. Over minutes it is a surge, over seconds a spike.
    Ramp {
        /// The rate before.
        from: f64,
        /// The rate after.
        to: f64,
        /// When it begins.
        at: f64,
        /// How long it takes.
        over: f64,
    },
    /// A day: from the lowest rate at midnight to the highest at noon and back.
    Diurnal {
        /// The lowest rate.
        low: f64,
        /// The highest rate.
        high: f64,
        /// Length of a day.
        period: f64,
    },
}

/// The arriving requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// How the rate goes.
    pub shape: RateShape,
    /// How long requests arrive, in seconds.
    pub duration: f64,
    /// `true` if requests come by chance (a Poisson process), `false` if they come evenly.
    pub poisson: bool,
    /// Zipf's exponent over the functions: the n-th gets a part of n to minus this; 0 for even
    /// parts.
    pub skew: f64,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            shape: RateShape::Steady { rps: 10.0 },
            duration: 600.0,
            poisson: true,
            skew: 0.0,
        }
    }
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When, in microseconds since the first moment of the workload.
    pub at: u64,
    /// The function, by its place among the scenario's.
    pub function: u32,
}

/// Why a workload cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the workload {0}")]
pub struct BadWorkload(pub &'static str);

fnlocal_api::user_error!(BadWorkload: Usage { _ => None; });

impl Workload {
    /// Checks it.
    ///
    /// # Errors
    /// Fails with the reason.
    pub fn validate(&self) -> Result<(), BadWorkload> {
        let numbers = match self.shape {
            RateShape::Steady { rps } => [rps, 0.0, 0.0, 0.0],
            RateShape::Ramp { from, to, at, over } => [from, to, at, over],
            RateShape::Diurnal { low, high, period } => [low, high, period, 0.0],
        };
        let good = |x: f64| x.is_finite() && x >= 0.0;
        if !numbers.into_iter().all(good) || !good(self.skew) {
            return Err(BadWorkload("has a negative or endless number"));
        }
        if !good(self.duration) || self.duration <= 0.0 {
            return Err(BadWorkload("has no duration"));
        }
        if self.requests() <= 0.0 {
            return Err(BadWorkload("has no requests: its rate is 0"));
        }
        match self.shape {
            RateShape::Diurnal { period, .. } if period <= 0.0 => {
                Err(BadWorkload("has a day without length"))
            }
            _ => Ok(()),
        }
    }

    /// Requests to be expected.
    #[must_use]
    pub fn requests(&self) -> f64 {
        RateProfile::new(self).total()
    }

    /// Returns the arrivals over `functions` functions, in their order; never all held at once.
    pub(crate) fn arrivals(&self, functions: usize, seed: u64) -> WorkloadArrivals {
        let weights = (1..=functions.max(1)).map(|n| (n as f64).powf(-self.skew));
        let even = WeightedAliasIndex::new(vec![1.0]);
        let parts = WeightedAliasIndex::new(weights.collect()).or(even);
        WorkloadArrivals {
            profile: RateProfile::new(self),
            poisson: self.poisson,
            // Weights of powers are positive, so there always is an index.
            parts: parts.ok().filter(|_| functions > 1),
            mass: 0.0,
            times: stream(seed, Use::Arrivals),
            functions: stream(seed, Use::Functions),
        }
    }
}

/// The arrivals of a [`Workload`].
pub(crate) struct WorkloadArrivals {
    profile: RateProfile,
    poisson: bool,
    parts: Option<WeightedAliasIndex<f64>>,
    /// Expected arrivals so far.
    mass: f64,
    times: ChaCha8Rng,
    functions: ChaCha8Rng,
}

impl Iterator for WorkloadArrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        // A Poisson process of any rate is one of rate 1 on stretched time.
        self.mass += if self.poisson {
            Exp1.sample(&mut self.times)
        } else {
            1.0
        };
        let at = self.profile.when(self.mass)?;
        let parts = self.parts.as_ref();
        let function = parts.map_or(0, |parts| parts.sample(&mut self.functions));
        Some(Arrival {
            at: (at * 1e6) as u64,
            function: u32::try_from(function).unwrap_or(0),
        })
    }
}

/// Where requests come from.
#[derive(Clone, Debug)]
pub enum RequestSource {
    /// Arrivals drawn from a workload.
    Drawn(Workload),
    /// Recorded elsewhere.
    Traced(RequestTrace),
}

impl RequestSource {
    /// Requests to be expected.
    #[must_use]
    pub fn requests(&self) -> f64 {
        match self {
            Self::Drawn(workload) => workload.requests(),
            Self::Traced(trace) => trace.requests() as f64,
        }
    }

    /// From the first moment to the last, in seconds.
    #[must_use]
    pub fn duration(&self) -> f64 {
        match self {
            Self::Drawn(workload) => workload.duration,
            Self::Traced(trace) => trace.duration(),
        }
    }

    /// Returns the arrivals over `functions` functions.
    pub(crate) fn arrivals(
        &self,
        functions: usize,
        seed: u64,
    ) -> Result<Box<dyn Iterator<Item = Arrival> + '_>, TraceError> {
        Ok(match self {
            Self::Drawn(workload) => Box::new(workload.arrivals(functions, seed)),
            Self::Traced(trace) => Box::new(trace.arrivals(stream(seed, Use::Arrivals))),
        })
    }
}

/// Points in time within a span, in microseconds, ascending.
pub(crate) fn scattered(rng: &mut ChaCha8Rng, from: u64, span: u64, count: usize) -> Vec<u64> {
    let mut times: Vec<u64> = (0..count)
        .map(|_| from + rng.random_range(0..span.max(1)))
        .collect();
    times.sort_unstable();
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(workload: &Workload, functions: usize) -> Vec<Arrival> {
        workload.arrivals(functions, 7).collect()
    }

    fn within(arrivals: &[Arrival], from: f64, to: f64) -> f64 {
        let inside = |one: &&Arrival| (from..to).contains(&(one.at as f64 / 1e6));
        arrivals.iter().filter(inside).count() as f64
    }

    #[test]
    fn a_steady_workload_arrives_at_its_rate_in_order() {
        for poisson in [true, false] {
            let workload = Workload {
                shape: RateShape::Steady { rps: 100.0 },
                duration: 100.0,
                poisson,
                ..Workload::default()
            };
            let arrivals = all(&workload, 1);
            assert!(
                (9_700..10_300).contains(&arrivals.len()),
                "{}",
                arrivals.len()
            );
            assert!(arrivals.is_sorted_by_key(|one| one.at));
        }
    }

    #[test]
    fn a_spike_starts_at_its_time_and_persists() {
        let workload = Workload {
            shape: RateShape::Ramp {
                from: 2.0,
                to: 500.0,
                at: 10.0,
                over: 1.0,
            },
            duration: 30.0,
            poisson: false,
            ..Workload::default()
        };
        let arrivals = all(&workload, 1);
        assert_eq!(
            within(&arrivals, 0.0, 10.0),
            19.0,
            "the first comes after half a second"
        );
        assert!((within(&arrivals, 10.0, 11.0) - 251.0).abs() < 3.0);
        assert!((within(&arrivals, 11.0, 30.0) - 9_500.0).abs() < 3.0);
    }

    #[test]
    fn a_diurnal_workload_is_low_at_midnight_and_high_at_noon() {
        let workload = Workload {
            shape: RateShape::Diurnal {
                low: 1.0,
                high: 9.0,
                period: 86_400.0,
            },
            duration: 86_400.0,
            poisson: false,
            ..Workload::default()
        };
        let arrivals = all(&workload, 1);
        let hour = |hour: f64| within(&arrivals, hour * 3600.0, (hour + 1.0) * 3600.0) / 3600.0;
        assert!((hour(0.0) - 1.0).abs() < 0.1 && (hour(11.5) - 9.0).abs() < 0.1);
        assert!((arrivals.len() as f64 / 86_400.0 - 5.0).abs() < 0.05);
    }

    #[test]
    fn a_skewed_workload_sends_most_requests_to_few_functions() {
        let workload = Workload {
            shape: RateShape::Steady { rps: 1000.0 },
            duration: 100.0,
            skew: 1.1,
            ..Workload::default()
        };
        let arrivals = all(&workload, 200);
        let of = |function| {
            arrivals
                .iter()
                .filter(|one| one.function == function)
                .count() as f64
        };
        assert!(
            (of(0) / of(1) - 2.0_f64.powf(1.1)).abs() < 0.2,
            "{} {}",
            of(0),
            of(1)
        );
        assert!(of(0) > 0.15 * arrivals.len() as f64);
    }

    #[test]
    fn arrivals_depend_only_on_the_seed() {
        let workload = Workload::default();
        let of = |seed| workload.arrivals(5, seed).collect::<Vec<_>>();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_workload_without_requests_is_refused() {
        let workload = Workload {
            shape: RateShape::Steady { rps: 0.0 },
            ..Workload::default()
        };
        let error = workload.validate().unwrap_err().to_string();
        assert!(error.contains("no requests"), "{error}");
    }
}
