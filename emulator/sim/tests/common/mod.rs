//! Scenarios to begin with.
#![allow(dead_code, missing_docs, reason = "each test file uses a part")]

use fnlocal_core::balancer::BalancerSettings;
use fnlocal_core::{FunctionLimits, RouterSettings};
use fnlocal_sim::report::Summary;
use fnlocal_sim::scenario::{
    EVENTS, FleetSize, Routing, Scenario, ScenarioFunction, ScenarioMachine, Times,
};
use fnlocal_sim::workload::{RateShape, RequestSource};
use fnlocal_sim::{SimulationReport, Slo, Workload};

pub fn steady(rps: f64, duration: f64) -> Workload {
    Workload {
        shape: RateShape::Steady { rps },
        duration,
        ..Workload::default()
    }
}

/// Nodes with two processors and 8 GiB, and functions of 256 MiB.
pub fn fleet_of(nodes: u32, functions: u32, workload: Workload) -> Scenario {
    let limits = FunctionLimits {
        memory_mib: 256,
        ..FunctionLimits::default()
    };
    let function = |n| ScenarioFunction::new(&format!("f{n}"), limits.clone());
    let mut machine = ScenarioMachine::new("test", 2, 8192);
    machine.limits.spare_memory_mib = 256;
    Scenario {
        seed: 1,
        functions: (0..functions).map(function).collect(),
        source: RequestSource::Drawn(workload),
        triggered: Vec::new(),
        fleet: FleetSize::Fixed(nodes),
        time_scale: 1.0,
        machine,
        routing: Routing::Sticky(RouterSettings::default()),
        deaths: Vec::new(),
        balancer: BalancerSettings::default(),
        times: Times::default(),
        slo: Slo::default(),
        events: EVENTS,
    }
}

pub fn kind(report: &SimulationReport, start: &str) -> Summary {
    let found = report.latency.iter().find(|one| one.start == start);
    found.map_or_else(Summary::default, |one| one.summary)
}

pub fn refused(report: &SimulationReport, reason: &str) -> u64 {
    let found = report.refused.iter().find(|one| one.reason == reason);
    found.map_or(0, |one| one.count)
}
