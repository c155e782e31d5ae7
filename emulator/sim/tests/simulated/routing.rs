//! The purpose of sticky routing.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::common::*;
use fnlocal_sim::scenario::Routing;
use fnlocal_sim::{SimulationReport, Workload, simulate};

/// Answers that waited for an instance to boot or to import its code.
fn cold(report: &SimulationReport) -> u64 {
    kind(report, "cold").count + kind(report, "spare").count
}

#[test]
fn sticky_routing_has_at_most_a_quarter_of_the_cold_starts_of_round_robin() {
    let workload = Workload {
        skew: 1.1,
        ..steady(100.0, 1800.0)
    };
    let mut scenario = fleet_of(10, 200, workload);
    let sticky = simulate(&scenario).unwrap();
    scenario.routing = Routing::RoundRobin;
    let round_robin = simulate(&scenario).unwrap();
    let (few, many) = (cold(&sticky), cold(&round_robin));
    println!("sticky {few}, round robin {many}");
    println!("{:?} {:?}", sticky.latency, round_robin.latency);
    assert!(few * 4 <= many, "{few} against {many}");
    assert_eq!(sticky.requests.refused, 0);
}
