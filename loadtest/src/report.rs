//! The result of a run, as data: the JSON file, and the input of summary, page and comparison.

mod environment;
mod intervals;
mod make;

use serde::{Deserialize, Serialize};

use crate::gateway::{GatewayCount, GatewaySample};
use crate::profile::LoadShape;
use crate::sample::{GatewayPhases, SampleKind};

pub use environment::RunEnvironment;
pub use intervals::{Interval, LoadPart};
pub use make::Context;

/// The format of the JSON file.
pub const FORMAT: u32 = 1;

/// The result of a run. Times are in microseconds unless their name says otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadReport {
    /// The format: [`FORMAT`].
    pub format: u32,
    /// Where load went.
    pub target: String,
    /// The shape of the load.
    pub shape: LoadShape,
    /// The load in words.
    pub load: String,
    /// The scenario's name.
    pub scenario: String,
    /// From when latencies count, and what that means for stalls.
    pub omission: String,
    /// When it began: RFC 3339.
    pub began: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// `true` if the run was interrupted.
    pub interrupted: bool,
    /// Why the figures are the generator's rather than the target's; empty for a valid run.
    pub invalid: Vec<String>,
    /// Requests sent.
    pub sent: u64,
    /// Requests that were due and could not be sent.
    pub dropped: u64,
    /// Requests whose answers were not waited for.
    pub unanswered: u64,
    /// Requests that were sent once more, since the target closed an idle connection.
    #[serde(default)]
    pub retried: u64,
    /// Requests with an answer that was not as expected, or with none.
    pub errors: u64,
    /// All requests.
    pub total: LatencySummary,
    /// Requests by what they met.
    pub kinds: Vec<RequestGroup>,
    /// Requests by function and what they met.
    pub functions: Vec<RequestGroup>,
    /// How late requests were sent.
    pub lag: LatencySummary,
    /// Cold starts one by one, the first five hundred.
    pub colds: Vec<ColdSample>,
    /// How requests ended, as the generator saw it.
    pub counts: Vec<GatewayCount>,
    /// Requests without an answer, by reason.
    pub failures: Vec<FailureCount>,
    /// Parts of the load, in order.
    pub parts: Vec<LoadPart>,
    /// Width of an interval, in milliseconds.
    pub width_ms: u64,
    /// The run in intervals of that width.
    pub intervals: Vec<Interval>,
    /// The gateway's report; `None` if it gives none.
    pub gateway: Option<GatewayReport>,
    /// Where it ran.
    pub environment: RunEnvironment,
}

/// Latencies in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// How many.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// The least.
    pub min: u64,
    /// Half of them are not above this.
    pub p50: u64,
    /// Nine in ten are not.
    pub p90: u64,
    /// 95 in a hundred are not.
    pub p95: u64,
    /// 99 in a hundred are not.
    pub p99: u64,
    /// 999 in a thousand are not.
    pub p999: u64,
    /// The most.
    pub max: u64,
}

/// Requests that have something in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestGroup {
    /// Their function; none for all of them.
    pub function: Option<String>,
    /// The start kind.
    pub kind: SampleKind,
    /// Those that were errors.
    pub errors: u64,
    /// Their latencies.
    pub latency: LatencySummary,
    /// Time in the handler to the first byte, as the gateway saw it.
    pub service: Option<LatencySummary>,
    /// Time from the start of an instance, or its import, to readiness, as the gateway saw it.
    pub start: Option<LatencySummary>,
    /// Means of the phases at the gateway.
    pub phases: Option<GatewayPhases>,
}

/// A cold start by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ColdSample {
    /// When, in milliseconds from the beginning of the run.
    pub at_ms: u64,
    /// Its function.
    pub function: String,
    /// The kind of its request.
    pub kind: SampleKind,
    /// How much of its latency is the generator's: it was sent that late.
    pub lag: u64,
    /// Its latency.
    pub latency: u64,
    /// Where its time at the gateway went.
    pub phases: GatewayPhases,
}

/// Requests without an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailureCount {
    pub reason: String,
    /// How many.
    pub requests: u64,
}

/// The gateway's report.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GatewayReport {
    /// Its figures now and then.
    pub samples: Vec<GatewaySample>,
    /// How the run's requests ended, by its own count.
    pub counts: Vec<GatewayCount>,
    /// Where its count differs from the generator's; empty when they agree.
    pub differences: Vec<String>,
}

impl LoadReport {
    /// Reads one that was saved.
    ///
    /// # Errors
    /// [`crate::LoadTestError::File`] and [`crate::LoadTestError::NotAReport`].
    pub fn read(path: &std::path::Path) -> Result<Self, crate::LoadTestError> {
        let text = std::fs::read_to_string(path).map_err(|source| crate::LoadTestError::File {
            what: "read",
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|source| crate::LoadTestError::NotAReport {
            path: path.to_owned(),
            source,
        })
    }

    /// Errors as a share of the requests sent, between 0 and 1.
    #[must_use]
    pub fn error_share(&self) -> f64 {
        self.errors as f64 / self.sent.max(1) as f64
    }

    /// Answers a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.total.count as f64 / (self.took_ms as f64 / 1000.0).max(0.001)
    }
}
