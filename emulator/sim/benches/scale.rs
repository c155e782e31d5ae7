//! How long simulations take and how much room, printed as a table. Run in a process of its own
//! for each row, so that the room of one is not that of another.

use std::process::Command;
use std::time::Instant;

use fnlocal_core::balancer::BalancerSettings;
use fnlocal_core::{FunctionLimits, RouterSettings};
use fnlocal_sim::scenario::{
    EVENTS, FleetSize, Routing, Scenario, ScenarioFunction, ScenarioMachine, Times,
};
use fnlocal_sim::workload::{RateShape, RequestSource};
use fnlocal_sim::{Slo, Workload, simulate};

/// The allocator of the `fnlocal` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests a second that a node gets in every row.
const RATE_OF_A_NODE: f64 = 20.0;

fn scenario(nodes: u32, requests: u64) -> Scenario {
    let rps = RATE_OF_A_NODE * f64::from(nodes);
    let limits = FunctionLimits {
        memory_mib: 256,
        max_instances: 1000,
        rps: None,
        ..FunctionLimits::default()
    };
    Scenario {
        seed: 1,
        functions: (0..200)
            .map(|n| ScenarioFunction::new(&format!("f{n}"), limits.clone()))
            .collect(),
        source: RequestSource::Drawn(Workload {
            shape: RateShape::Steady { rps },
            duration: requests as f64 / rps,
            poisson: true,
            skew: 1.1,
        }),
        triggered: Vec::new(),
        fleet: FleetSize::Fixed(nodes),
        time_scale: 1.0,
        machine: ScenarioMachine::new("bench", 2, 8192),
        routing: Routing::Sticky(RouterSettings::default()),
        deaths: Vec::new(),
        balancer: BalancerSettings::default(),
        times: Times::default(),
        slo: Slo::default(),
        events: EVENTS,
    }
}

/// Makes one run, as a line: requests, seconds, events, maximum MiB.
fn run(nodes: u32, requests: u64) {
    let clock = Instant::now();
    match simulate(&scenario(nodes, requests)) {
        Ok(report) => println!(
            "{nodes:>6} {:>10} {:>8.2} {:>12.0} {:>8} {:>7.2} {:>9.1} {:>9.1}",
            report.requests.arrived,
            clock.elapsed().as_secs_f64(),
            report.setup.events as f64 / clock.elapsed().as_secs_f64(),
            resident_mib(),
            report.requests.cold_percent,
            report.latency[0].summary.p50,
            report.latency[0].summary.p99,
        ),
        Err(error) => println!("{nodes} nodes, {requests} requests: {error}"),
    }
}

/// The most room the process has had; 0 where the system does not tell.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize| args.get(at).and_then(|arg| arg.parse().ok());
    if let (Some(nodes), Some(requests)) = (number(1), number(2)) {
        return run(u32::try_from(nodes).unwrap_or(1), requests);
    }
    // `cargo test --benches` runs this too: one short row then.
    let rows: &[(u32, u64)] = if args.iter().any(|arg| arg == "--bench") {
        &[
            (100, 10_000),
            (100, 100_000),
            (100, 1_000_000),
            (100, 10_000_000),
            (1000, 1_000_000),
        ]
    } else {
        &[(10, 1_000)]
    };
    println!(" nodes   requests  seconds     events/s  MiB max   cold%    p50 ms    p99 ms");
    for (nodes, requests) in rows {
        let own = Command::new(&args[0])
            .args([nodes.to_string(), requests.to_string()])
            .status();
        if let Err(error) = own {
            println!("cannot run myself: {error}");
        }
    }
}
