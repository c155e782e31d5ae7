//! How long things take.

use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use serde::{Deserialize, Serialize};

/// A distribution of spans of time, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Always the same.
    Constant(f64),
    /// Exponential, of this mean.
    Exponential(f64),
    /// Lognormal, by its median and its 99th percentile.
    Lognormal {
        /// Half are below.
        p50: f64,
        /// All but one in a hundred are below.
        p99: f64,
    },
    /// As measured: percentiles and their values, both ascending, with straight lines between.
    Empirical(Vec<(f64, f64)>),
}

/// The standard normal distribution's 99th percentile.
const Z99: f64 = 2.326_347_874_040_841;

/// A distribution that makes no sense, in the words of its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a distribution: {why}")]
pub struct BadDistribution {
    /// The text.
    pub text: String,
    /// The error.
    pub why: &'static str,
}

fnlocal_api::user_error!(BadDistribution: Usage {
    _ => "write \"50ms\", \"exp:50ms\" (mean) or \"lognormal:50ms,400ms\" (median, 99th percentile)";
});

impl Distribution {
    /// From samples in milliseconds, in any order.
    #[must_use]
    pub fn from_samples(samples: &[f64]) -> Self {
        let mut sorted: Vec<f64> = samples.iter().copied().filter(|x| x.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1).max(1) as f64;
        let points = sorted.iter().enumerate();
        Self::Empirical(
            points
                .map(|(at, &x)| (at as f64 / last * 100.0, x))
                .collect(),
        )
    }

    /// One draw, in microseconds.
    pub fn sample<R: Rng>(&self, rng: &mut R) -> u64 {
        let millis = match self {
            Self::Constant(millis) => *millis,
            Self::Exponential(mean) => {
                let unit: f64 = Exp1.sample(rng);
                mean * unit
            }
            Self::Lognormal { p50, p99 } => {
                let normal: f64 = StandardNormal.sample(rng);
                p50 * (normal * (p99 / p50).ln() / Z99).exp()
            }
            Self::Empirical(points) => between(points, rng.random::<f64>() * 100.0),
        };
        let longest = fnlocal_core::time::LONGEST_SPAN.as_micros() as f64;
        (millis.max(0.0) * 1000.0).round().min(longest) as u64
    }

    /// The value at a percentile of what was measured, in milliseconds; the mean of what was not.
    #[must_use]
    pub fn at(&self, percent: f64) -> f64 {
        match self {
            Self::Empirical(points) => between(points, percent),
            other => other.mean(),
        }
    }

    /// The mean, in milliseconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Constant(millis) | Self::Exponential(millis) => *millis,
            Self::Lognormal { p50, p99 } => {
                let sigma = (p99 / p50).ln() / Z99;
                p50 * (sigma * sigma / 2.0).exp()
            }
            Self::Empirical(points) => {
                let parts = points.windows(2).map(|pair| {
                    let [(from, low), (to, high)] = [pair[0], pair[1]];
                    (to - from) / 100.0 * f64::midpoint(low, high)
                });
                let edge = |point: Option<&(f64, f64)>, part: fn(f64) -> f64| {
                    point.map_or(0.0, |&(percent, value)| part(percent) / 100.0 * value)
                };
                edge(points.first(), |percent| percent)
                    + parts.sum::<f64>()
                    + edge(points.last(), |percent| 100.0 - percent)
            }
        }
    }

    /// Checks it.
    ///
    /// # Errors
    /// Fails with the reason.
    pub fn validate(self) -> Result<Self, &'static str> {
        let good = |x: &f64| x.is_finite() && *x >= 0.0;
        match &self {
            Self::Constant(x) | Self::Exponential(x) if !good(x) => {
                Err("a span of time must not be negative")
            }
            Self::Lognormal { p50, p99 } if !good(p99) || *p50 <= 0.0 || p99 < p50 => {
                Err("the median must be above 0, and the 99th percentile not below it")
            }
            Self::Empirical(points) if points.is_empty() => Err("it has no points"),
            Self::Empirical(points) => {
                let ascending =
                    |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
                let fits = |&(percent, value): &(f64, f64)| {
                    (0.0..=100.0).contains(&percent) && good(&value)
                };
                if points.iter().all(fits) && points.windows(2).all(ascending) {
                    Ok(self)
                } else {
                    Err("percentiles and their values must ascend")
                }
            }
            _ => Ok(self),
        }
    }
}

/// The value at a percentile.
fn between(points: &[(f64, f64)], percent: f64) -> f64 {
    let after = points.partition_point(|&(at, _)| at <= percent);
    let Some(&(to, high)) = points.get(after) else {
        return points.last().map_or(0.0, |&(_, value)| value);
    };
    let Some(&(from, low)) = after.checked_sub(1).and_then(|before| points.get(before)) else {
        return high;
    };
    low + (high - low) * (percent - from) / (to - from)
}

impl std::str::FromStr for Distribution {
    type Err = BadDistribution;

    fn from_str(text: &str) -> Result<Self, BadDistribution> {
        let wrong = |why| BadDistribution {
            text: text.to_owned(),
            why,
        };
        let time = |part: &str| millis(part).ok_or_else(|| wrong("a span of time is missing"));
        let made = match text.split_once(':') {
            None => Self::Constant(time(text)?),
            Some(("exp", mean)) => Self::Exponential(time(mean)?),
            Some(("lognormal", both)) => {
                let (p50, p99) = both
                    .split_once(',')
                    .ok_or_else(|| wrong("it needs a median and a 99th percentile"))?;
                let (p50, p99) = (time(p50)?, time(p99)?);
                Self::Lognormal { p50, p99 }
            }
            Some(_) => return Err(wrong("there is no such kind")),
        };
        made.validate().map_err(wrong)
    }
}

/// Reads `50ms`, `1.5s`, `2m`, `1h`, in milliseconds.
#[must_use]
pub fn millis(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let factor = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1e3,
        "m" | "min" => 60e3,
        "h" => 3_600e3,
        "d" => 86_400e3,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    (number >= 0.0 && number.is_finite()).then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use fnlocal_api::UserError;

    use super::*;
    use crate::rng::{Use, stream};

    fn percentile(of: &Distribution, percent: f64) -> f64 {
        let mut rng = stream(1, Use::Service);
        let mut all: Vec<u64> = (0..100_000).map(|_| of.sample(&mut rng)).collect();
        all.sort_unstable();
        all[(percent / 100.0 * 99_999.0) as usize] as f64 / 1000.0
    }

    fn near(a: f64, b: f64) -> bool {
        (a / b - 1.0).abs() < 0.05
    }

    #[test]
    fn a_lognormal_distribution_has_the_given_percentiles() {
        let it: Distribution = "lognormal:50ms,400ms".parse().unwrap();
        assert!(near(percentile(&it, 50.0), 50.0) && near(percentile(&it, 99.0), 400.0));
    }

    #[test]
    fn an_exponential_distribution_has_the_given_mean() {
        let it: Distribution = "exp:20ms".parse().unwrap();
        assert!(near(percentile(&it, 50.0), 20.0 * 2.0_f64.ln()));
        assert!(near(it.mean(), 20.0));
    }

    #[test]
    fn an_empirical_distribution_reproduces_its_samples() {
        let samples: Vec<f64> = (1..=1000).map(f64::from).collect();
        let it = Distribution::from_samples(&samples).validate().unwrap();
        assert!(near(percentile(&it, 50.0), 500.0) && near(percentile(&it, 90.0), 900.0));
        assert!(near(it.mean(), 500.0));
        let coarse = Distribution::Empirical(vec![(50.0, 10.0), (99.0, 100.0)]);
        assert!(near(percentile(&coarse, 99.0), 100.0));
        assert_eq!(percentile(&coarse, 20.0), 10.0);
    }

    #[test]
    fn identical_samples_form_a_valid_distribution() {
        let it = Distribution::from_samples(&[5.0; 20]);
        assert!(near(percentile(&it, 50.0), 5.0));
        assert!(it.validate().is_ok());
    }

    #[test]
    fn an_invalid_distribution_is_refused_with_an_example() {
        for bad in [
            "",
            "50",
            "exp:",
            "lognormal:50ms",
            "lognormal:9ms,5ms",
            "beta:3ms",
            "-5ms",
        ] {
            let error = bad.parse::<Distribution>().unwrap_err();
            assert!(error.to_string().contains(bad) && error.hint().unwrap().contains("50ms"));
        }
    }
}
