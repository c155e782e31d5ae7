//! The result of a run.

mod jobs;
mod recorder;
mod summary;

use serde::Serialize;

use crate::scenario::Times;

pub use jobs::JobsReport;
pub use recorder::{InstanceState, Refusal};
pub(crate) use recorder::{Moment, ReportRecorder};
pub use summary::{Latency, Summary};

/// A run in numbers. The same scenario gives the same, byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimulationReport {
    /// The simulated setup.
    pub setup: Setup,
    /// Requests, by what became of them.
    pub requests: RequestCounts,
    /// Requests without an answer of the function's, by reason.
    pub refused: Vec<RefusedCount>,
    /// Time from the client's request to its answer, by what it waited for.
    pub latency: Vec<Latency>,
    /// Triggered work, which is in none of the above; none if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<JobsReport>,
    /// The most there was at any time.
    pub peak: Peak,
    /// The verdict on the objective.
    pub slo: SloVerdict,
    /// When the number of nodes wanted changed.
    pub scaling: Vec<Scaled>,
    /// Nodes that died.
    pub deaths: Vec<Died>,
    /// The cost.
    pub cost: Cost,
    /// The course of it.
    pub series: Series,
    /// Notes on the simulation's limits and on odd inputs.
    pub notes: Vec<String>,
}

/// The simulated setup.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setup {
    /// The seed of random numbers.
    pub seed: u64,
    /// Whose limits applied.
    pub profile: String,
    /// How many functions.
    pub functions: usize,
    /// The type of a node.
    pub node: String,
    /// How requests were spread.
    pub routing: String,
    /// From the first request that could come to the last, in seconds.
    pub duration: f64,
    /// How long things take.
    pub times: Times,
    /// Events it took.
    pub events: u64,
}

/// Counts of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RequestCounts {
    /// Requests that arrived, refused ones included.
    pub arrived: u64,
    /// Those the function answered.
    pub answered: u64,
    /// The others.
    pub refused: u64,
    /// Those sent on to another node.
    pub forwarded: u64,
    /// Answers that waited for an instance to boot or to import its code, in percent.
    pub cold_percent: f64,
    /// Requests without an answer, in percent.
    pub error_percent: f64,
}

/// Requests refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedCount {
    /// The reason.
    pub reason: String,
    /// The status the client gets.
    pub status: u16,
    /// How many.
    pub count: u64,
}

/// The most there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// Nodes in service.
    pub nodes: usize,
    /// Instances of all states.
    pub instances: u64,
    /// Requests that waited.
    pub waiting: u64,
    /// Memory promised to instances, in MiB.
    pub promised_mib: u64,
}

/// The verdict on the objective.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SloVerdict {
    /// The objective.
    pub objective: String,
    /// Over the whole run.
    pub holds: bool,
    /// The first second of the first stretch in which it was not.
    pub breaks_at: Option<f64>,
    /// The last second of the last such stretch.
    pub breaks_until: Option<f64>,
    /// Seconds of all such stretches.
    pub broken: f64,
}

/// A change of the number of nodes wanted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scaled {
    /// When, in seconds.
    pub at: f64,
    /// How many from then on.
    pub nodes: u32,
    /// The rule that changed the number.
    pub why: fnlocal_core::scaling::ScalingReason,
}

/// The death of a node.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Died {
    /// When, in seconds.
    pub at: f64,
    /// The node.
    pub node: u32,
    /// Requests that had entered there and were answered 502.
    pub broken: u64,
    /// Requests that other nodes had sent there and then served themselves.
    pub repeated: u64,
}

/// The cost, in US dollars.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Nodes paid for, on average.
    pub nodes: f64,
    /// This run's nodes.
    pub run: f64,
    /// An hour of a node; 0 when not known.
    pub node_hour: f64,
    /// A month of runs like this one, nodes and balancer; none when a node's price is not known.
    pub month: Option<f64>,
    /// Of that, the balancer, without its capacity units.
    pub balancer_month: f64,
    /// When the prices were noted.
    pub prices_of: &'static str,
    /// Where they hold.
    pub region: &'static str,
}

/// The course of a run: a value for every bucket of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// Length of a bucket, in seconds.
    pub width: f64,
    /// Requests that arrived.
    pub arrived: Vec<u64>,
    /// Requests that an instance answered.
    pub answered: Vec<u64>,
    /// Requests that the platform refused.
    pub refused: Vec<u64>,
    /// Answers that waited for an instance to boot or import.
    pub cold: Vec<u64>,
    /// Median latency of the answers, in milliseconds; 0 without any.
    pub p50: Vec<f64>,
    /// The 95th percentile.
    pub p95: Vec<f64>,
    /// The 99th percentile.
    pub p99: Vec<f64>,
    /// Nodes that get requests, at the bucket's end, and so are those below.
    pub serving: Vec<usize>,
    /// Nodes paid for.
    pub paid: Vec<u32>,
    /// Requests that wait.
    pub waiting: Vec<u64>,
    /// Requests under way.
    pub open: Vec<usize>,
    /// Instances by state: starting, spare, importing, idle, busy, paused, stopping.
    pub instances: Vec<[u64; 7]>,
    /// `true` for each bucket in which the objective was held.
    pub held: Vec<bool>,
}
