//! The limits of other platforms, with the figures they document, so that a limit is met on the
//! laptop before it is met after a deployment.
//!
//! Deliberately absent: quotas somebody can have raised by asking are given at their default, and
//! figures nobody documents (how long an idle environment is kept) stay ours.

use serde::{Deserialize, Serialize};

use crate::limits::{Excess, FunctionLimits, NodeLimits, OverRate};
use crate::time::Duration;

/// A platform whose limits apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Ours: whatever `fnlocal.toml` says.
    #[default]
    Fnlocal,
    /// AWS Lambda.
    Lambda,
    /// Google Cloud Run.
    CloudRun,
}

/// Sizes of bodies, in bytes; none for no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// A request's.
    pub request: Option<u64>,
    /// A response's.
    pub response: Option<u64>,
}

/// Lambda: "1,000 concurrent executions" for an account and region
/// (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const LAMBDA_CONCURRENT: u32 = 1000;
/// Lambda: "1,000 execution environment instances every 10 seconds", for each function, refilled
/// continuously and not saved up (docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html).
const LAMBDA_STARTS: u32 = 1000;
/// Lambda: requests a second are bounded by ten times the concurrency quota
/// (docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html).
const LAMBDA_RPS: u32 = 10 * LAMBDA_CONCURRENT;
/// Lambda: 6 MB each for a synchronous request and its response, and a timeout of at most 900 s
/// (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const LAMBDA_PAYLOAD: u64 = 6 << 20;
const LAMBDA_TIMEOUT: Duration = Duration::from_secs(900);

/// Cloud Run: 100 instances unless said otherwise
/// (cloud.google.com/run/docs/configuring/max-instances).
const CLOUD_RUN_INSTANCES: u32 = 100;
/// Cloud Run: 80 requests an instance unless said otherwise
/// (cloud.google.com/run/docs/about-concurrency).
const CLOUD_RUN_CONCURRENCY: u32 = 80;
/// Cloud Run: a request waits for "up to 3.5 times average startup time of container instances of
/// this service, or 10 seconds, whichever is greater", then gets 429
/// (cloud.google.com/run/docs/about-instance-autoscaling).
const CLOUD_RUN_STARTS: u32 = 350;
const CLOUD_RUN_WAIT: Duration = Duration::from_secs(10);
/// Cloud Run: no length of that queue is documented; this is the longest of ours.
const CLOUD_RUN_QUEUE: u32 = 100_000;
/// Cloud Run: 300 s unless said otherwise, and at most an hour
/// (cloud.google.com/run/docs/configuring/request-timeout).
const CLOUD_RUN_TIMEOUT: Duration = Duration::from_secs(300);
/// Cloud Run: 32 MiB each for a request over HTTP/1 and a response that is not streamed
/// (cloud.google.com/run/quotas).
const CLOUD_RUN_PAYLOAD: u64 = 32 << 20;
/// Ours, and Lambda's.
const PAYLOAD: u64 = 6 << 20;

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fnlocal, Self::Lambda, Self::CloudRun];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fnlocal => "fnlocal",
            Self::Lambda => "lambda",
            Self::CloudRun => "cloudrun",
        }
    }

    /// Bounds of a function that says nothing.
    #[must_use]
    pub fn function(self) -> FunctionLimits {
        let ours = FunctionLimits::default();
        let limits = match self {
            Self::Fnlocal => ours,
            Self::Lambda => FunctionLimits {
                max_instances: LAMBDA_CONCURRENT,
                rps: None,
                ..ours
            },
            Self::CloudRun => FunctionLimits {
                max_instances: CLOUD_RUN_INSTANCES,
                concurrency: CLOUD_RUN_CONCURRENCY,
                timeout: CLOUD_RUN_TIMEOUT,
                rps: None,
                ..ours
            },
        };
        self.impose(limits)
    }

    /// A function's bounds as the platform would have them: what it does not let anybody choose is
    /// replaced, what it caps is capped.
    #[must_use]
    pub fn impose(self, limits: FunctionLimits) -> FunctionLimits {
        match self {
            Self::Fnlocal => limits,
            Self::Lambda => FunctionLimits {
                timeout: limits.timeout.min(LAMBDA_TIMEOUT),
                concurrency: 1,
                max_instances: limits.max_instances.min(LAMBDA_CONCURRENT),
                min_instances: limits.min_instances.min(LAMBDA_CONCURRENT),
                start_rate: Some(LAMBDA_STARTS),
                over_rate: OverRate::Refuse,
                queue: 0,
                queue_starts: 0,
                excess: Excess::Throttle,
                ..limits
            },
            Self::CloudRun => FunctionLimits {
                over_rate: OverRate::Refuse,
                start_rate: None,
                queue: CLOUD_RUN_QUEUE,
                queue_timeout: CLOUD_RUN_WAIT,
                queue_starts: CLOUD_RUN_STARTS,
                excess: Excess::Throttle,
                ..limits
            },
        }
    }

    /// A node's bounds under the platform's. Memory and parallel starts stay the machine's own.
    #[must_use]
    pub fn node(self, limits: NodeLimits) -> NodeLimits {
        match self {
            Self::Fnlocal | Self::CloudRun => limits,
            Self::Lambda => NodeLimits {
                max_instances: limits.max_instances.min(LAMBDA_CONCURRENT),
                rps: Some(limits.rps.unwrap_or(LAMBDA_RPS).min(LAMBDA_RPS)),
                over_rate: OverRate::Refuse,
                ..limits
            },
        }
    }

    /// How large bodies may be.
    #[must_use]
    pub const fn payload(self) -> Payload {
        match self {
            Self::Fnlocal => Payload {
                request: Some(PAYLOAD),
                response: None,
            },
            Self::Lambda => Payload {
                request: Some(LAMBDA_PAYLOAD),
                response: Some(LAMBDA_PAYLOAD),
            },
            Self::CloudRun => Payload {
                request: Some(CLOUD_RUN_PAYLOAD),
                response: Some(CLOUD_RUN_PAYLOAD),
            },
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == name);
        found.ok_or(UnknownProfile)
    }
}

/// No platform of this name is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownProfile;

impl std::fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("must be fnlocal, lambda or cloudrun")
    }
}

impl std::error::Error for UnknownProfile {}
