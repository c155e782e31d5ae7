//! Small runs whose outcome can be said beforehand.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::common::*;
use fnlocal_api::UserError;
use fnlocal_core::scaling::{GroupSettings, ScalingMetric, ScalingReason, Scheduled};
use fnlocal_core::time::Instant;
use fnlocal_core::trigger::AsyncPolicy;
use fnlocal_core::{FunctionLimits, Profile};
use fnlocal_sim::scenario::{Death, FleetSize, ScenarioMachine};
use fnlocal_sim::triggered::{Due, Triggered};
use fnlocal_sim::workload::{RateShape, RequestSource};
use fnlocal_sim::{Distribution, SimError, Workload, simulate};

#[test]
fn a_report_depends_only_on_the_seed() {
    let bytes = |seed| {
        let scenario = fnlocal_sim::Scenario {
            seed,
            ..fleet_of(3, 20, steady(100.0, 30.0))
        };
        serde_json::to_vec(&simulate(&scenario).unwrap()).unwrap()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn every_request_is_answered_or_refused_exactly_once() {
    for rps in [1.0, 50.0, 400.0] {
        let report = simulate(&fleet_of(2, 5, steady(rps, 30.0))).unwrap();
        let requests = report.requests;
        assert_eq!(requests.arrived, requests.answered + requests.refused);
        let by_kind: u64 = report.latency[1..]
            .iter()
            .map(|one| one.summary.count)
            .sum();
        assert_eq!(by_kind, requests.answered);
        assert_eq!(report.series.arrived.iter().sum::<u64>(), requests.arrived);
    }
}

#[test]
fn a_slow_stream_of_requests_has_one_cold_start_and_then_warm_starts() {
    let workload = Workload {
        poisson: false,
        ..steady(1.0, 60.0)
    };
    let mut scenario = fleet_of(1, 1, workload);
    scenario.functions[0].service = Distribution::Constant(20.0);
    scenario.functions[0].cpu = 1.0;
    let report = simulate(&scenario).unwrap();
    assert_eq!(report.requests.refused, 0);
    assert_eq!(kind(&report, "warm").count, report.requests.answered - 1);
    let warm = kind(&report, "warm").p50;
    assert!(
        (warm - 21.0).abs() < 0.1,
        "20 ms and two ways of 0.5 ms: {warm}"
    );
}

#[test]
fn load_beyond_the_processors_is_answered_at_their_capacity_and_breaks_the_objective() {
    // Two processors do 40 requests of 50 ms a second.
    let mut scenario = fleet_of(1, 1, steady(80.0, 60.0));
    scenario.functions[0].service = Distribution::Constant(50.0);
    scenario.functions[0].cpu = 1.0;
    let report = simulate(&scenario).unwrap();
    let rate = report.series.answered[10..60].iter().sum::<u64>() as f64 / 50.0;
    assert!((35.0..41.0).contains(&rate), "{rate}");
    assert!(!report.slo.holds);
    assert!(
        report.slo.breaks_at.is_some_and(|at| at < 20.0),
        "{:?}",
        report.slo
    );
}

#[test]
fn a_fleet_without_nodes_answers_503() {
    let report = simulate(&fleet_of(0, 1, steady(5.0, 10.0))).unwrap();
    assert_eq!(report.requests.answered, 0);
    assert_eq!(
        refused(&report, "balancer_no_target"),
        report.requests.arrived
    );
}

fn scaled(shape: RateShape, duration: f64, scheduled: Vec<Scheduled>) -> fnlocal_sim::Scenario {
    let workload = Workload {
        shape,
        duration,
        ..Workload::default()
    };
    let mut scenario = fleet_of(0, 4, workload);
    scenario.fleet = FleetSize::Group(GroupSettings {
        min: 2,
        max: 30,
        metric: ScalingMetric::RequestsPerNode(1500),
        scheduled,
        ..GroupSettings::default()
    });
    scenario
}

const SURGE: RateShape = RateShape::Ramp {
    from: 2.0,
    to: 500.0,
    at: 300.0,
    over: 1200.0,
};
const SPIKE: RateShape = RateShape::Ramp {
    from: 2.0,
    to: 500.0,
    at: 900.0,
    over: 1.0,
};

#[test]
fn scaling_follows_a_surge_but_handles_a_spike_only_with_a_prescale() {
    let surge = simulate(&scaled(SURGE, 2400.0, Vec::new())).unwrap();
    let spike = simulate(&scaled(SPIKE, 1800.0, Vec::new())).unwrap();
    let early = Scheduled {
        at: Instant::from_millis(600_000),
        min: Some(20),
        max: None,
    };
    let prescaled = simulate(&scaled(SPIKE, 1800.0, vec![early])).unwrap();
    let errors = |report: &fnlocal_sim::SimulationReport| report.requests.error_percent;
    assert!(spike.slo.broken > 120.0, "{:?}", spike.slo);
    assert!(!spike.slo.holds);
    assert!(
        surge.slo.broken < spike.slo.broken / 4.0,
        "{:?} {:?}",
        surge.slo,
        spike.slo
    );
    assert!(
        prescaled.slo.holds,
        "{:?} {}",
        prescaled.slo,
        errors(&prescaled)
    );
    assert!(
        surge
            .scaling
            .iter()
            .all(|one| one.why == ScalingReason::High)
    );
    assert_eq!(prescaled.scaling[0].why, ScalingReason::Scheduled);
    assert_eq!(prescaled.scaling[0].at, 600.0);
    assert!(surge.peak.nodes > 10, "{}", surge.peak.nodes);
}

#[test]
fn new_nodes_serve_a_spike_three_minutes_and_a_boot_later() {
    let report = simulate(&scaled(SPIKE, 1800.0, Vec::new())).unwrap();
    let first = report.scaling[0];
    assert!((1020.0..=1140.0).contains(&first.at), "{first:?}");
    let more = report
        .series
        .serving
        .iter()
        .position(|&nodes| nodes > 2)
        .unwrap();
    let seconds = more as f64 * report.series.width;
    assert!(seconds > first.at && seconds < first.at + 90.0, "{seconds}");
}

#[test]
fn at_time_scale_10_a_fleet_scales_for_a_spike_in_a_tenth_of_the_time() {
    let shape = RateShape::Ramp {
        from: 2.0,
        to: 500.0,
        at: 90.0,
        over: 1.0,
    };
    let early = Scheduled {
        at: Instant::from_millis(60_000),
        min: Some(3),
        max: None,
    };
    let mut scenario = scaled(shape, 180.0, vec![early]);
    scenario.time_scale = 10.0;
    let report = simulate(&scenario).unwrap();
    let [scheduled, first, ..] = report.scaling[..] else {
        panic!("{:?}", report.scaling);
    };
    assert_eq!((scheduled.at, scheduled.nodes), (60.0, 3));
    assert!((102.0..=114.0).contains(&first.at), "{first:?}");
    // The load is not faster, so as many nodes as ever are wanted for it.
    let usual = simulate(&scaled(SPIKE, 1800.0, Vec::new())).unwrap();
    let usual = usual.scaling[0].nodes;
    assert!(first.nodes.abs_diff(usual) <= 1, "{} {usual}", first.nodes);
}

#[test]
fn a_group_shrinks_after_the_load_and_loses_no_request() {
    let down = RateShape::Ramp {
        from: 300.0,
        to: 10.0,
        at: 900.0,
        over: 60.0,
    };
    let report = simulate(&scaled(down, 5400.0, Vec::new())).unwrap();
    let low = report
        .scaling
        .iter()
        .filter(|one| one.why == ScalingReason::Low);
    assert!(low.count() > 0, "{:?}", report.scaling);
    assert_eq!(report.series.serving.last(), Some(&2));
    let lost = refused(&report, "balancer_broken") + refused(&report, "draining");
    assert_eq!(lost, 0);
}

#[test]
fn the_lambda_profile_throttles_requests_over_the_concurrency() {
    let profile = Profile::Lambda;
    let mut scenario = fleet_of(1, 1, steady(2000.0, 20.0));
    scenario.machine = ScenarioMachine::serverless(profile);
    scenario.functions[0].limits = profile.function();
    scenario.functions[0].service = Distribution::Constant(1000.0);
    let report = simulate(&scenario).unwrap();
    let throttled = refused(&report, "throttled") as f64;
    let part = throttled / report.requests.arrived as f64;
    assert!(
        (0.4..0.6).contains(&part),
        "1,000 at once of 2,000 needed: {part}"
    );
    assert!(report.peak.instances <= 1000);
}

#[test]
fn a_function_larger_than_a_node_is_refused_before_anything_runs() {
    let mut scenario = fleet_of(1, 1, steady(1.0, 1.0));
    scenario.functions[0].limits = FunctionLimits {
        memory_mib: 65_536,
        ..FunctionLimits::default()
    };
    let error = simulate(&scenario).unwrap_err();
    assert!(matches!(error, SimError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("65536 MB") && error.hint().is_some());
}

#[test]
fn a_simulation_over_its_event_limit_fails_with_the_reason() {
    let mut scenario = fleet_of(1, 1, steady(1000.0, 3600.0));
    scenario.events = 50_000;
    let error = simulate(&scenario).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("50000 events") && text.contains("most events were"),
        "{text}"
    );
    assert!(error.hint().unwrap().contains("--events"));
}

#[test]
fn a_simulation_replays_a_trace() {
    let text = "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f1,http,30,0,60\n";
    let mut scenario = fleet_of(1, 1, steady(1.0, 1.0));
    scenario.source = RequestSource::Traced(fnlocal_sim::trace::RequestTrace::read(text).unwrap());
    let report = simulate(&scenario).unwrap();
    assert_eq!(report.requests.arrived, 90);
    assert_eq!(report.setup.duration, 180.0);
}

#[test]
fn the_monthly_cost_follows_from_the_number_of_nodes() {
    let mut scenario = fleet_of(4, 1, steady(1.0, 60.0));
    scenario.machine.hour = 0.1;
    let cost = simulate(&scenario).unwrap().cost;
    assert!((cost.nodes - 4.0).abs() < 1e-9);
    let month = 4.0 * 0.1 * 730.0 + cost.balancer_month;
    assert!((cost.month.unwrap() - month).abs() < 1e-6);
}

fn killed(mut scenario: fnlocal_sim::Scenario) -> fnlocal_sim::SimulationReport {
    scenario.deaths = vec![Death { at: 60.0, nodes: 1 }];
    simulate(&scenario).unwrap()
}

#[test]
fn a_dead_node_fails_only_requests_that_enter_it_until_its_health_check_fails() {
    let scenario = fleet_of(3, 12, steady(60.0, 300.0));
    let report = killed(scenario.clone());
    assert_eq!(report.deaths.len(), 1);
    let died = report.deaths[0];
    assert_eq!(died.at, 60.0);
    let requests = report.requests;
    assert_eq!(requests.answered + requests.refused, requests.arrived);
    // A third of the requests enter there, for at most two checks of 30 s.
    let broken = refused(&report, "balancer_broken");
    assert_eq!(broken, requests.refused);
    assert!(broken > 0 && broken < 60 * 60 / 3 + 100, "{broken}");
    let later = &report.series.refused[130..];
    assert_eq!(later.iter().sum::<u64>(), 0, "{later:?}");
    assert_eq!(report.series.serving.last(), Some(&2));
    assert_eq!(killed(scenario), report);
}

#[test]
fn requests_forwarded_to_a_dying_node_are_retried_elsewhere() {
    let mut scenario = fleet_of(3, 1, steady(40.0, 120.0));
    scenario.functions[0].service = Distribution::Constant(2_000.0);
    scenario.functions[0].cpu = 0.0;
    let reports = (1..=8).map(|seed| {
        let mut scenario = scenario.clone();
        scenario.seed = seed;
        killed(scenario)
    });
    // Whichever node it is, with some seeds it is one that others send requests to.
    let repeated: u64 = reports.map(|report| report.deaths[0].repeated).sum();
    assert!(repeated > 0);
}

#[test]
fn a_group_replaces_a_node_that_died() {
    let shape = RateShape::Steady { rps: 20.0 };
    let scenario = scaled(shape, 900.0, Vec::new());
    let before = simulate(&scenario).unwrap();
    let report = killed(scenario);
    assert_eq!(report.deaths.len(), 1);
    assert_eq!(report.series.serving.last(), before.series.serving.last());
    assert!(
        report
            .series
            .serving
            .contains(&(before.series.serving[50] - 1))
    );
}

/// Triggered work at a rate, of the first function.
fn at_rate(rate: f64) -> Triggered {
    Triggered {
        function: 0,
        due: Due::Rate(rate),
        policy: AsyncPolicy::default(),
    }
}

#[test]
fn every_job_runs_beside_requests_and_is_not_counted_as_a_request() {
    let mut scenario = fleet_of(2, 2, steady(20.0, 60.0));
    scenario.triggered = vec![at_rate(20.0)];
    let alone = simulate(&fleet_of(2, 2, steady(20.0, 60.0))).unwrap();
    let report = simulate(&scenario).unwrap();
    let jobs = report.jobs.unwrap();
    assert!((1000..1400).contains(&jobs.came), "{jobs:?}");
    assert_eq!(jobs.done + jobs.dead, jobs.came, "{jobs:?}");
    assert_eq!(jobs.dead, 0);
    assert_eq!(report.requests.arrived, alone.requests.arrived);
    assert_eq!(report.requests.refused, 0);
    assert_eq!(alone.jobs, None);
    let again = simulate(&scenario).unwrap();
    let bytes = |report: &fnlocal_sim::SimulationReport| serde_json::to_vec(report).unwrap();
    assert_eq!(
        bytes(&again),
        bytes(&report),
        "the same seed gives the same bytes"
    );
}

#[test]
fn a_flood_of_jobs_is_limited_to_its_share_and_does_not_delay_requests() {
    let flood = || {
        let mut scenario = fleet_of(1, 1, steady(5.0, 120.0));
        scenario.functions[0].service = Distribution::Constant(100.0);
        scenario.functions[0].cpu = 0.0;
        scenario.functions[0].limits.max_instances = 10;
        scenario
    };
    let alone = simulate(&flood()).unwrap();
    let mut scenario = flood();
    // Twice what five of its ten places do: 50 a second.
    scenario.triggered = vec![at_rate(100.0)];
    let report = simulate(&scenario).unwrap();
    let jobs = report.jobs.unwrap();
    assert_eq!(report.requests.refused, 0);
    let p99 = |report: &fnlocal_sim::SimulationReport| report.latency[0].summary.p99;
    assert!(
        p99(&report) < p99(&alone) + 300.0,
        "{} {}",
        p99(&report),
        p99(&alone)
    );
    assert!(jobs.backlog > 3000, "{jobs:?}");
    assert!(jobs.waited.max > 30_000.0, "{jobs:?}");
    assert_eq!(
        jobs.done, jobs.came,
        "what waits is run when no requests come any more"
    );
}

#[test]
fn a_schedule_of_a_scenario_fires_at_its_due_times() {
    let mut scenario = fleet_of(1, 1, steady(1.0, 600.0));
    scenario.triggered = vec![Triggered {
        due: Due::At(vec![0.0, 300.0, 599.0]),
        ..at_rate(1.0)
    }];
    let jobs = simulate(&scenario).unwrap().jobs.unwrap();
    assert_eq!((jobs.came, jobs.done), (3, 3));
}

#[test]
fn a_job_of_a_node_that_dies_runs_on_another() {
    let mut scenario = fleet_of(2, 1, steady(1.0, 60.0));
    scenario.functions[0].service = Distribution::Constant(5000.0);
    scenario.triggered = vec![at_rate(2.0)];
    scenario.deaths = vec![Death { at: 30.0, nodes: 1 }];
    let report = simulate(&scenario).unwrap();
    let jobs = report.jobs.unwrap();
    assert!(jobs.repeated > 0, "{jobs:?}");
    assert_eq!(jobs.done, jobs.came, "{jobs:?}");
}
