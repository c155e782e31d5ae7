//! Several runs: pre-scaling that is enough, and sweeps.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::common::*;
use fnlocal_api::UserError;
use fnlocal_core::scaling::{GroupSettings, ScalingMetric};
use fnlocal_sim::calibrate::Calibration;
use fnlocal_sim::scenario::{FleetSize, Scenario};
use fnlocal_sim::search::{SearchError, Sweep, find_prescale};
use fnlocal_sim::workload::RateShape;
use fnlocal_sim::{Workload, simulate};

fn sale(max: u32) -> Scenario {
    let workload = Workload {
        shape: RateShape::Ramp {
            from: 2.0,
            to: 200.0,
            at: 900.0,
            over: 1.0,
        },
        duration: 1200.0,
        ..Workload::default()
    };
    let mut scenario = fleet_of(0, 4, workload);
    scenario.fleet = FleetSize::Group(GroupSettings {
        min: 1,
        max,
        metric: ScalingMetric::RequestsPerNode(1500),
        ..GroupSettings::default()
    });
    scenario
}

#[test]
fn the_found_prescale_holds_and_one_node_fewer_does_not() {
    let found = find_prescale(&sale(24), 900.0).unwrap();
    assert!(found.report.slo.holds);
    assert!(found.nodes > 2, "{found:?}");
    let fewer = found.trials.iter().find(|one| one.nodes == found.nodes - 1);
    assert!(fewer.is_some_and(|one| !one.holds), "{:?}", found.trials);
    assert!(
        (1..=5).contains(&found.minutes),
        "a machine boots in half a minute: {found:?}"
    );
}

#[test]
fn a_failed_prescale_search_reports_what_was_tried() {
    let error = find_prescale(&sale(2), 900.0).unwrap_err();
    assert!(matches!(error, SearchError::NothingHolds(_)));
    assert!(
        error.to_string().contains("not even 2 nodes") && error.hint().is_some(),
        "{error}"
    );
    let fixed = fleet_of(2, 1, steady(1.0, 10.0));
    assert!(matches!(
        find_prescale(&fixed, 5.0),
        Err(SearchError::Fixed)
    ));
}

#[test]
fn a_sweep_changes_one_setting() {
    let sweep: Sweep = "nodes=1,4".parse().unwrap();
    let scenarios = sweep
        .scenarios(&fleet_of(2, 4, steady(120.0, 60.0)))
        .unwrap();
    let reports = Sweep::run(&scenarios).unwrap();
    let p99 = |at: usize| reports[at].latency[0].summary.p99;
    assert!(p99(1) < p99(0) / 2.0, "{} {}", p99(0), p99(1));
    let bad: Sweep = "instance_type=t3.large,t9.huge".parse().unwrap();
    let error = bad.scenarios(&sale(2)).unwrap_err();
    assert!(error.to_string().contains("t9.huge"), "{error}");
}

#[test]
fn a_calibration_replaces_the_assumed_times() {
    let text = r#"{"version": 1, "functions": {"f0": {
        "service": {"min": 5, "max": 5}, "cpu": 0.0,
        "starts": {"cold": {"p50": 900, "p99": 900}, "spare": {"p50": 100, "p99": 100}}}}}"#;
    let mut scenario = fleet_of(1, 2, steady(0.2, 100.0));
    scenario.machine.limits.spares = 0;
    let notes = Calibration::read(text).unwrap().apply(&mut scenario);
    assert_eq!(notes, ["the calibration does not know function `f1`"]);
    scenario.functions.truncate(1);
    let report = simulate(&scenario).unwrap();
    let warm = kind(&report, "warm").p50;
    assert!((warm - 6.0).abs() < 0.1, "{warm}");
}
