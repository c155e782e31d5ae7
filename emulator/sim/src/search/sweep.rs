//! One setting, several values.

use std::str::FromStr;

use fnlocal_core::scaling::ScalingMetric;
use serde::Serialize;

use crate::distribution::Distribution;
use crate::engine::{SimError, simulate};
use crate::price;
use crate::report::SimulationReport;
use crate::scenario::{FleetSize, Routing, Scenario, ScenarioMachine};
use crate::workload::RequestSource;

/// Settings that can be swept.
const KEYS: [&str; 14] = [
    "nodes",
    "min",
    "max",
    "requests_per_node",
    "memory_percent",
    "instance_type",
    "memory",
    "max_instances",
    "concurrency",
    "queue",
    "spares",
    "service",
    "skew",
    "routing",
];

/// One setting and its values, as in `nodes=2,4,8`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sweep {
    /// The setting.
    pub key: String,
    /// Its values.
    pub values: Vec<String>,
}

/// A sweep that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{what}` {why}")]
pub struct BadSweep {
    /// The text.
    pub what: String,
    /// The error.
    pub why: &'static str,
}

fnlocal_api::user_error!(BadSweep: Usage {
    _ => format!("write `--sweep nodes=2,4,8`; settings are {}", KEYS.join(", "));
});

impl FromStr for Sweep {
    type Err = BadSweep;

    fn from_str(text: &str) -> Result<Self, BadSweep> {
        let bad = |why| BadSweep {
            what: text.to_owned(),
            why,
        };
        let (key, values) = text.split_once('=').ok_or_else(|| bad("has no values"))?;
        if !KEYS.contains(&key) {
            return Err(bad("is no setting that can be swept"));
        }
        // A distribution has commas of its own.
        let apart = if values.contains(';') || key == "service" {
            ';'
        } else {
            ','
        };
        let values: Vec<String> = values.split(apart).map(|v| v.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            return Err(bad("has an empty value"));
        }
        Ok(Self {
            key: key.to_owned(),
            values,
        })
    }
}

impl Sweep {
    /// The scenario with each value.
    ///
    /// # Errors
    /// The first value that is none of its setting.
    pub fn scenarios(&self, scenario: &Scenario) -> Result<Vec<Scenario>, BadSweep> {
        let values = self.values.iter();
        values.map(|value| self.with(scenario, value)).collect()
    }

    /// Runs all of them.
    ///
    /// # Errors
    /// The first that fails.
    pub fn run(scenarios: &[Scenario]) -> Result<Vec<SimulationReport>, SimError> {
        scenarios.iter().map(simulate).collect()
    }

    fn with(&self, scenario: &Scenario, value: &str) -> Result<Scenario, BadSweep> {
        let mut scenario = scenario.clone();
        let bad = |why| BadSweep {
            what: format!("{}={value}", self.key),
            why,
        };
        let number = || value.parse::<u32>().map_err(|_| bad("is no whole number"));
        let group = |fleet: &mut FleetSize,
                     set: &dyn Fn(&mut fnlocal_core::scaling::GroupSettings)| {
            match fleet {
                FleetSize::Group(group) => {
                    set(group);
                    Ok(())
                }
                FleetSize::Fixed(_) => Err(bad("needs a fleet that scales")),
            }
        };
        match self.key.as_str() {
            "nodes" => scenario.fleet = FleetSize::Fixed(number()?),
            "min" => {
                let min = number()?;
                group(&mut scenario.fleet, &|one| one.min = min)?;
            }
            "max" => {
                let max = number()?;
                group(&mut scenario.fleet, &|one| one.max = max)?;
            }
            "requests_per_node" => {
                let metric = ScalingMetric::RequestsPerNode(number()?);
                group(&mut scenario.fleet, &|one| one.metric = metric)?;
            }
            "memory_percent" => {
                let metric = ScalingMetric::MemoryPercent(number()?);
                group(&mut scenario.fleet, &|one| one.metric = metric)?;
            }
            "instance_type" => {
                scenario.machine = machine(&scenario.machine, value)
                    .ok_or_else(|| bad("is no known instance type"))?
            }
            "spares" => scenario.machine.limits.spares = number()?,
            "routing" => {
                scenario.routing = match value {
                    "sticky" => Routing::Sticky(fnlocal_core::RouterSettings::default()),
                    "round_robin" => Routing::RoundRobin,
                    _ => return Err(bad("is neither sticky nor round_robin")),
                };
            }
            "skew" => match &mut scenario.source {
                RequestSource::Drawn(workload) => {
                    workload.skew = value.parse().map_err(|_| bad("is no number"))?;
                }
                RequestSource::Traced(_) => return Err(bad("cannot change a trace")),
            },
            _ => self.functions(&mut scenario, value, bad)?,
        }
        Ok(scenario)
    }

    fn functions(
        &self,
        scenario: &mut Scenario,
        value: &str,
        bad: impl Fn(&'static str) -> BadSweep,
    ) -> Result<(), BadSweep> {
        let number = || value.parse::<u32>().map_err(|_| bad("is no whole number"));
        for function in &mut scenario.functions {
            let limits = &mut function.limits;
            match self.key.as_str() {
                "memory" => limits.memory_mib = number()?,
                "max_instances" => limits.max_instances = number()?,
                "concurrency" => limits.concurrency = number()?,
                "queue" => limits.queue = number()?,
                _ => {
                    let read = value.parse::<Distribution>();
                    function.service = read.map_err(|_| bad("is no distribution"))?;
                }
            }
        }
        Ok(())
    }
}

/// A machine of another type, with what was set by hand kept.
fn machine(old: &ScenarioMachine, name: &str) -> Option<ScenarioMachine> {
    let kind = price::instance_type(name)?;
    let mut machine =
        ScenarioMachine::new(kind.name, kind.vcpus, price::usable_mib(kind.memory_mib));
    machine.hour = kind.hour;
    machine.profile = old.profile;
    machine.limits = fnlocal_core::NodeLimits {
        memory_mib: machine.limits.memory_mib,
        parallel_starts: machine.limits.parallel_starts,
        ..old.limits.clone()
    };
    Some(machine)
}

#[cfg(test)]
mod tests {
    use fnlocal_api::UserError;

    use super::*;

    #[test]
    fn a_sweep_is_parsed_with_comma_or_semicolon_separators() {
        let sweep: Sweep = "nodes=2, 4,8".parse().unwrap();
        assert_eq!(sweep.values, ["2", "4", "8"]);
        let sweep: Sweep = "service=50ms;lognormal:5ms,9ms".parse().unwrap();
        assert_eq!(sweep.values, ["50ms", "lognormal:5ms,9ms"]);
    }

    #[test]
    fn an_invalid_sweep_is_refused_with_the_list_of_settings() {
        for bad in ["nodes", "nodes=", "nodes=1,,2", "colour=red"] {
            let error = bad.parse::<Sweep>().unwrap_err();
            assert!(
                error.hint().unwrap().contains("requests_per_node"),
                "{error}"
            );
        }
    }
}
