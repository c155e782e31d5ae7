//! The simulated scenario.

use std::time::Duration;

use fnlocal_core::balancer::BalancerSettings;
use fnlocal_core::scaling::{GroupSettings, Launch};
use fnlocal_core::{FunctionLimits, NodeLimits, Profile, RouterSettings};
use rand::Rng;
use serde::Serialize;

use crate::Distribution;
use crate::slo::Slo;
use crate::triggered::Triggered;
use crate::workload::RequestSource;

/// Events a simulation may take, unless said otherwise: several minutes' worth.
pub const EVENTS: u64 = 1_000_000_000;

/// All of it. Two runs of the same scenario give the same report.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed of random numbers.
    pub seed: u64,
    /// The functions, by the numbers of the workload.
    pub functions: Vec<ScenarioFunction>,
    /// Where the requests come from.
    pub source: RequestSource,
    /// Asynchronous work.
    pub triggered: Vec<Triggered>,
    /// How many nodes.
    pub fleet: FleetSize,
    /// How many times as fast as everything else the fleet's time runs: health checks, metrics,
    /// alarms, warm-up and the boot of machines. 1 but for comparing with a live fleet, whose
    /// `--time-scale` does the same.
    pub time_scale: f64,
    /// The type of a node.
    pub machine: ScenarioMachine,
    /// The choice of the node that serves a request.
    pub routing: Routing,
    /// Nodes that die.
    pub deaths: Vec<Death>,
    /// The balancer in front.
    pub balancer: BalancerSettings,
    /// How long everything but the functions takes.
    pub times: Times,
    /// The objective of the run.
    pub slo: Slo,
    /// Events it may take.
    pub events: u64,
}

/// A function.
#[derive(Clone, Debug)]
pub struct ScenarioFunction {
    /// Its name.
    pub name: String,
    /// Its package; spares are the package's.
    pub package: u32,
    /// Its bounds.
    pub limits: FunctionLimits,
    /// How long it takes to answer when it has a processor to itself.
    pub service: Distribution,
    /// The part of that it needs the processor, from 0 to 1.
    pub cpu: f64,
    /// How long its code takes to import; the scenario's when none.
    pub import: Option<Distribution>,
}

/// How many nodes there are.
#[derive(Clone, Debug)]
pub enum FleetSize {
    /// Always as many.
    Fixed(u32),
    /// As many as an auto-scaling group wants.
    Group(GroupSettings),
}

/// Nodes that end without a drain, chosen among those that serve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Death {
    /// When, in seconds from the first moment of the workload.
    pub at: f64,
    /// How many.
    pub nodes: u32,
}

/// A node.
#[derive(Clone, Debug)]
pub struct ScenarioMachine {
    /// Its name, such as an EC2 instance type.
    pub kind: String,
    /// Processors its instances share.
    pub cores: u32,
    /// Its bounds.
    pub limits: NodeLimits,
    /// Requests it bears at once, for the routing.
    pub bears: u32,
    /// US dollars an hour; 0 when unknown.
    pub hour: f64,
    /// Whose limits apply.
    pub profile: Profile,
}

/// The choice of the node that serves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// The one its function belongs to.
    Sticky(RouterSettings),
    /// The one the balancer gave it to.
    RoundRobin,
}

/// How long things take, without waiting for a processor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Times {
    /// From the start of an instance until it answers.
    pub boot: Distribution,
    /// The part of that which needs a processor.
    pub boot_cpu: f64,
    /// From an instance's being given its function until it is ready.
    pub import: Distribution,
    /// The part of that which needs a processor.
    pub import_cpu: f64,
    /// Pausing an instance.
    pub pause: Distribution,
    /// Resuming one.
    pub resume: Distribution,
    /// Stopping one.
    pub stop: Distribution,
    /// One way between balancer and node, and between nodes.
    pub network: Distribution,
    /// From the launch of a machine until its gateway begins.
    pub machine: Distribution,
    /// The same for a stopped machine of the warm pool.
    pub pooled_machine: Distribution,
}

impl Default for Times {
    /// Instances as measured on two cores with Docker 20.10: a container in a ready sandbox answers
    /// after 130 to 170 ms, most of it the processor's; code with Express is imported in 20 to 40 ms;
    /// pausing takes 10 ms, resuming 12, removal 80.
    ///
    /// Machines by what is published of EC2: "25.8 s" on average from launch to SSH, the same
    /// within 3 % over six instance types (brevdev/ec2-coldboot-research, 2025), with a slow mode
    /// near 80 s now and then (reports gathered under "Making EC2 boot time faster", 2024);
    /// ec2-boot-bench took 29 s for a FreeBSD (Percival, 2021). A stopped machine skips the
    /// creation of its disk: half of that, which is an estimate.
    fn default() -> Self {
        Self {
            boot: Distribution::Lognormal {
                p50: 150.0,
                p99: 400.0,
            },
            boot_cpu: 0.8,
            import: Distribution::Lognormal {
                p50: 25.0,
                p99: 120.0,
            },
            import_cpu: 1.0,
            pause: Distribution::Constant(10.0),
            resume: Distribution::Lognormal {
                p50: 12.0,
                p99: 30.0,
            },
            stop: Distribution::Constant(80.0),
            network: Distribution::Constant(0.5),
            machine: Distribution::Lognormal {
                p50: 26.0e3,
                p99: 80.0e3,
            },
            pooled_machine: Distribution::Lognormal {
                p50: 13.0e3,
                p99: 40.0e3,
            },
        }
    }
}

impl Times {
    /// Draws how long a machine takes from its launch until its gateway begins, in microseconds.
    pub fn machine_boot(&self, launch: Launch, rng: &mut impl Rng) -> u64 {
        match launch {
            Launch::FromPool => self.pooled_machine.sample(rng),
            Launch::Cold | Launch::IntoPool => self.machine.sample(rng),
        }
    }
}

/// Draws how long a machine of a fleet that runs live takes to boot.
#[must_use]
pub fn live_machine_boot(launch: Launch) -> Duration {
    Duration::from_micros(Times::default().machine_boot(launch, &mut rand::rng()))
}

impl ScenarioMachine {
    /// Returns a node with the given processors and memory for instances, started as a live node of
    /// this size would be.
    #[must_use]
    pub fn new(kind: &str, cores: u32, memory_mib: u32) -> Self {
        Self {
            kind: kind.to_owned(),
            cores: cores.max(1),
            limits: NodeLimits {
                memory_mib,
                parallel_starts: cores.clamp(2, 8),
                ..NodeLimits::default()
            },
            bears: cores.max(1) * 4,
            hour: 0.0,
            profile: Profile::Fnlocal,
        }
    }

    /// A platform that has no nodes one could see: one with as much of everything as it allows.
    #[must_use]
    pub fn serverless(profile: Profile) -> Self {
        let limits = NodeLimits {
            memory_mib: u32::MAX,
            max_instances: 100_000,
            parallel_starts: 100_000,
            spares: 0,
            ..NodeLimits::default()
        };
        Self {
            kind: profile.name().to_owned(),
            cores: 1_000_000,
            limits: profile.node(limits),
            bears: u32::MAX,
            hour: 0.0,
            profile,
        }
    }
}

impl ScenarioFunction {
    /// A function that takes 50 ms, three tenths of them on the processor.
    #[must_use]
    pub fn new(name: &str, limits: FunctionLimits) -> Self {
        Self {
            name: name.to_owned(),
            package: 0,
            limits,
            service: Distribution::Lognormal {
                p50: 50.0,
                p99: 250.0,
            },
            cpu: 0.3,
            import: None,
        }
    }
}
