//! The objective of a run: `p99<1s,errors<0.1%`.

use serde::{Deserialize, Serialize};

use crate::distribution::millis;

/// A bound on a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SloBound {
    /// This percentile of all answers' latency, in milliseconds, is below.
    Latency {
        /// The percentile, from 0 to 100.
        percentile: f64,
        /// The bound in milliseconds.
        below: f64,
    },
    /// The part of requests without an answer is below, in percent.
    Errors {
        /// The bound in percent.
        below: f64,
    },
}

/// A service level objective: all of these bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// The bounds.
    pub bounds: Vec<SloBound>,
}

impl Default for Slo {
    /// `p99<1s,errors<0.1%`.
    fn default() -> Self {
        Self {
            bounds: vec![
                SloBound::Latency {
                    percentile: 99.0,
                    below: 1000.0,
                },
                SloBound::Errors { below: 0.1 },
            ],
        }
    }
}

/// An objective that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a bound of an objective")]
pub struct BadSlo(pub String);

fnlocal_api::user_error!(BadSlo: Usage { _ => "write bounds as in `p99<1s,errors<0.1%`"; });

impl std::str::FromStr for Slo {
    type Err = BadSlo;

    fn from_str(text: &str) -> Result<Self, BadSlo> {
        let bounds: Result<Vec<SloBound>, BadSlo> = text.split(',').map(bound).collect();
        Ok(Self { bounds: bounds? })
    }
}

fn bound(text: &str) -> Result<SloBound, BadSlo> {
    let bad = || BadSlo(text.trim().to_owned());
    let (what, below) = text.split_once('<').ok_or_else(bad)?;
    let (what, below) = (what.trim(), below.trim());
    if what == "errors" {
        let percent = below.strip_suffix('%').ok_or_else(bad)?;
        let below: f64 = percent.trim().parse().map_err(|_| bad())?;
        return (below > 0.0)
            .then_some(SloBound::Errors { below })
            .ok_or_else(bad);
    }
    let percentile: f64 = match what {
        "max" => 100.0,
        _ => what
            .strip_prefix('p')
            .and_then(|percent| percent.parse().ok())
            .ok_or_else(bad)?,
    };
    let below = millis(below).filter(|&below| below > 0.0).ok_or_else(bad)?;
    let sane = percentile > 0.0 && percentile <= 100.0;
    sane.then_some(SloBound::Latency { percentile, below })
        .ok_or_else(bad)
}

impl std::fmt::Display for Slo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, bound) in self.bounds.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            match bound {
                SloBound::Latency { percentile, below } => {
                    write!(f, "{comma}p{percentile} < {below} ms")?;
                }
                SloBound::Errors { below } => write!(f, "{comma}errors < {below} %")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_is_parsed_with_or_without_spaces() {
        assert_eq!("p99<1s,errors<0.1%".parse(), Ok(Slo::default()));
        assert_eq!(Slo::default().to_string(), "p99 < 1000 ms, errors < 0.1 %");
        let slo: Slo = " p99.9 < 250ms , max<2s".parse().unwrap();
        assert_eq!(slo.bounds.len(), 2);
    }

    #[test]
    fn an_invalid_objective_is_refused() {
        for bad in [
            "",
            "p99",
            "p99<",
            "p0<1s",
            "p101<1s",
            "errors<0.1",
            "errors<x%",
            "p99>1s",
        ] {
            assert!(bad.parse::<Slo>().is_err(), "{bad}");
        }
    }
}
