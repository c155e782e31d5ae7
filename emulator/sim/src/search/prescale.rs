//! The smallest pre-scaling that holds an objective: how many nodes, and how long before.

use fnlocal_core::scaling::{GroupSettings, Scheduled};
use fnlocal_core::time::Instant;
use serde::Serialize;

use crate::engine::{SimError, simulate};
use crate::report::SimulationReport;
use crate::scenario::{FleetSize, Scenario};

/// The longest lead that is tried, in minutes: nobody has to pre-scale earlier than that.
const LONGEST: u32 = 60;

/// A setting that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TriedSetting {
    /// The minimum number of nodes from then on.
    pub nodes: u32,
    /// Minutes before the event.
    pub minutes: u32,
    /// `true` if the objective was held.
    pub holds: bool,
    /// The 99th percentile of the latency, in milliseconds.
    pub p99: f64,
    /// Requests without an answer, in percent.
    pub error_percent: f64,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrescaleResult {
    /// The fewest nodes that hold.
    pub nodes: u32,
    /// The shortest lead with which they hold, in minutes; 0 when they are there in time anyway.
    pub minutes: u32,
    /// When the event is, in seconds from the beginning.
    pub event: f64,
    /// The trials, in order.
    pub trials: Vec<TriedSetting>,
    /// The run of what was found.
    #[serde(skip)]
    pub report: Box<SimulationReport>,
}

/// Not even the most nodes hold the objective.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "not even {nodes} nodes, {minutes} minutes before, hold {objective}: p99 is {p99:.0} ms and \
     {error_percent:.2} % have no answer"
)]
pub struct NothingHolds {
    /// Nodes tried.
    pub nodes: u32,
    /// Minutes before the event.
    pub minutes: u32,
    /// The objective.
    pub objective: String,
    /// The 99th percentile, in milliseconds.
    pub p99: f64,
    /// Requests without an answer, in percent.
    pub error_percent: f64,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A run failed.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// No setting holds.
    #[error(transparent)]
    NothingHolds(#[from] NothingHolds),
    /// The fleet does not scale.
    #[error("a fleet of a fixed number of nodes cannot be pre-scaled")]
    Fixed,
}

fnlocal_api::user_error!(SearchError [Sim] {
    Self::NothingHolds(_) => "raise `nodes.max` or `max_instances`, choose a larger instance type, or \
        a looser objective";
    Self::Fixed => "leave `--nodes` out, or write `nodes = { min = 2, max = 20 }` in [env]";
});

struct Search<'a> {
    scenario: &'a Scenario,
    group: &'a GroupSettings,
    event: f64,
    trials: Vec<TriedSetting>,
}

impl Search<'_> {
    /// Runs with a minimum of `nodes` nodes from `minutes` minutes before the event.
    fn run(&mut self, nodes: u32, minutes: u32) -> Result<(bool, SimulationReport), SimError> {
        let lead = f64::from(minutes) * 60.0;
        let at = fnlocal_core::time::bounded_secs(self.event - lead);
        let mut group = self.group.clone();
        group.scheduled.push(Scheduled {
            at: Instant::START + at,
            min: Some(nodes),
            max: None,
        });
        let scenario = Scenario {
            fleet: FleetSize::Group(group),
            ..self.scenario.clone()
        };
        let report = simulate(&scenario)?;
        let p99 = report.latency.first().map_or(0.0, |all| all.summary.p99);
        self.trials.push(TriedSetting {
            nodes,
            minutes,
            holds: report.slo.holds,
            p99,
            error_percent: report.requests.error_percent,
        });
        Ok((report.slo.holds, report))
    }
}

/// The smallest value from `low` to `high` that holds, if `high` does: more is taken to hold
/// wherever less does.
fn bisect(
    mut low: u32,
    mut high: u32,
    mut holds: impl FnMut(u32) -> Result<bool, SimError>,
) -> Result<u32, SimError> {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(high)
}

/// Finds the fewest nodes, and with those the shortest lead before `event` (seconds from the
/// beginning), with which the scenario's objective is held.
///
/// # Errors
/// [`SearchError`].
pub fn find_prescale(scenario: &Scenario, event: f64) -> Result<PrescaleResult, SearchError> {
    let FleetSize::Group(group) = &scenario.fleet else {
        return Err(SearchError::Fixed);
    };
    let longest = LONGEST.min((event / 60.0) as u32);
    let mut search = Search {
        scenario,
        group,
        event,
        trials: Vec::new(),
    };
    let (most, _) = search.run(group.max, longest)?;
    if !most {
        let tried = search.trials[0];
        return Err(SearchError::NothingHolds(NothingHolds {
            nodes: tried.nodes,
            minutes: tried.minutes,
            objective: scenario.slo.to_string(),
            p99: tried.p99,
            error_percent: tried.error_percent,
        }));
    }
    let nodes = bisect(group.min, group.max, |nodes| {
        Ok(search.run(nodes, longest)?.0)
    })?;
    let minutes = bisect(0, longest, |minutes| Ok(search.run(nodes, minutes)?.0))?;
    let (_, report) = search.run(nodes, minutes)?;
    Ok(PrescaleResult {
        nodes,
        minutes,
        event,
        trials: search.trials,
        report: Box::new(report),
    })
}
