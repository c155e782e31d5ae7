//! Times measured by a load test, put in place of the assumed ones.
//!
//! The file is JSON:
//!
//! ```json
//! {
//!   "version": 1,
//!   "functions": {
//!     "bid": {
//!       "service": { "p50": 12.0, "p90": 30.5, "p99": 80.0 },
//!       "cpu": 0.4,
//!       "starts": {
//!         "cold":  { "p50": 180.0, "p99": 420.0 },
//!         "spare": { "p50": 22.0, "p99": 70.0 }
//!       }
//!     }
//!   }
//! }
//! ```
//!
//! All times are milliseconds, of instances that had a processor to themselves. `service` is from
//! dispatch to the end of the response, `starts` from the request to an instance that is ready for
//! it: `spare` is the import, `cold` boot and import. Percentiles are `min`, `p1` to `p99.99` and
//! `max`; `cpu` is the part of `service` spent on the processor. Everything but `service` may be
//! left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;
use crate::scenario::Scenario;

/// Percentiles by their names.
pub type Percentiles = BTreeMap<String, f64>;

/// A load test's times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Of the file: 1.
    pub version: u32,
    /// By function.
    pub functions: BTreeMap<String, FunctionTimes>,
}

/// One function's times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionTimes {
    /// From dispatch to the end of the response.
    pub service: Percentiles,
    /// The part of that spent on the processor, from 0 to 1.
    #[serde(default)]
    pub cpu: Option<f64>,
    /// From the request to an instance that is ready, by `cold` and `spare`.
    #[serde(default)]
    pub starts: BTreeMap<String, Percentiles>,
}

/// Why a calibration is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// The file is not the expected JSON.
    #[error("this is not a calibration: {0}")]
    Json(#[from] serde_json::Error),
    /// The file has another version.
    #[error("its version is {0}, and this fnlocal reads version 1")]
    Version(u32),
    /// A function's percentiles make no sense.
    #[error("`{what}` of function `{function}`: {why}")]
    Percentiles {
        /// The function.
        function: String,
        /// The time in question.
        what: String,
        /// The error.
        why: String,
    },
}

impl Calibration {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`CalibrationError`].
    pub fn read(text: &str) -> Result<Self, CalibrationError> {
        let calibration: Self = serde_json::from_str(text)?;
        if calibration.version != 1 {
            return Err(CalibrationError::Version(calibration.version));
        }
        for (function, measured) in &calibration.functions {
            let starts = measured
                .starts
                .iter()
                .map(|(kind, one)| (kind.as_str(), one));
            for (what, percentiles) in starts.chain([("service", &measured.service)]) {
                distribution(percentiles).map_err(|why| CalibrationError::Percentiles {
                    function: function.clone(),
                    what: what.to_owned(),
                    why,
                })?;
            }
        }
        Ok(calibration)
    }

    /// Puts its times in place of a scenario's. Tells what it knows nothing of.
    pub fn apply(&self, scenario: &mut Scenario) -> Vec<String> {
        let mut notes = Vec::new();
        let mut boots = Vec::new();
        for function in &mut scenario.functions {
            let Some(measured) = self.functions.get(&function.name) else {
                notes.push(format!(
                    "the calibration does not know function `{}`",
                    function.name
                ));
                continue;
            };
            if let Ok(service) = distribution(&measured.service) {
                function.service = service;
            }
            function.cpu = measured.cpu.unwrap_or(function.cpu).clamp(0.0, 1.0);
            let start = |kind| measured.starts.get(kind).map(distribution);
            let (cold, spare) = (start("cold"), start("spare"));
            if let Some(Ok(import)) = &spare {
                function.import = Some(import.clone());
            }
            if let (Some(Ok(cold)), Some(Ok(spare))) = (cold, spare) {
                boots.push((cold, spare));
            }
        }
        if !boots.is_empty() {
            scenario.times.boot = boot(&boots);
        }
        notes
    }
}

/// A cold start is a boot and an import, so that a boot is the difference, at each percentile, on
/// average over the functions.
fn boot(measured: &[(Distribution, Distribution)]) -> Distribution {
    let points = [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 100.0];
    let mut highest = 0.0_f64;
    let at = points.map(|percent| {
        let differences = measured
            .iter()
            .map(|(cold, spare)| cold.at(percent) - spare.at(percent));
        let mean = differences.sum::<f64>() / measured.len() as f64;
        highest = highest.max(mean);
        (percent, highest)
    });
    Distribution::Empirical(at.to_vec())
}

fn distribution(percentiles: &Percentiles) -> Result<Distribution, String> {
    let mut points = Vec::new();
    for (name, &value) in percentiles {
        let percent = match name.as_str() {
            "min" => Some(0.0),
            "max" => Some(100.0),
            other => other
                .strip_prefix('p')
                .and_then(|text| text.parse::<f64>().ok()),
        };
        let percent = percent.ok_or_else(|| format!("`{name}` is no percentile"))?;
        points.push((percent, value));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Distribution::Empirical(points)
        .validate()
        .map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_calibration_file_parses() {
        let text = include_str!("calibrate.rs");
        let inside = text
            .lines()
            .skip_while(|line| *line != "//! ```json")
            .skip(1);
        let json: String = inside
            .take_while(|line| *line != "//! ```")
            .map(|line| line.trim_start_matches("//!"))
            .collect();
        let calibration = Calibration::read(&json).unwrap();
        assert_eq!(calibration.functions["bid"].service["p99"], 80.0);
    }

    #[test]
    fn an_invalid_calibration_is_refused_with_its_function_and_key() {
        for (service, word) in [
            (r#"{"p50": 3, "q9": 2}"#, "q9"),
            (r#"{"p50": 3, "p99": 2}"#, "ascend"),
            ("{}", "no points"),
        ] {
            let text =
                format!(r#"{{"version": 1, "functions": {{"a": {{"service": {service}}}}}}}"#);
            let error = Calibration::read(&text).unwrap_err().to_string();
            assert!(
                error.contains("`service` of function `a`") && error.contains(word),
                "{error}"
            );
        }
        assert!(Calibration::read(r#"{"version": 2, "functions": {}}"#).is_err());
        assert!(Calibration::read("[]").is_err());
    }
}
