//! The keys of a function.

use fnlocal_core::OverRate;
use fnlocal_core::trigger::{LambdaEvent, ScheduleSpec, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::triggers::{AsyncConfig, OnConfig, ScheduleForm};
use super::{HOUR_MS, MAX_QUEUE};
use crate::values::{ByteSize, MemorySize, RequestRate, TimeSpan};

/// Settings of a function: in `[functions.NAME]`, in `[defaults]`, or as `config` in code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionConfig {
    /// The time until the head of the response must be sent.
    #[schemars(range(min = 1, max = HOUR_MS), extend("default" = "15s"))]
    pub timeout: Option<TimeSpan>,
    /// The memory of an instance.
    #[schemars(range(min = 64, max = 65_536), extend("default" = "512MB"))]
    pub memory: Option<MemorySize>,
    /// The maximum number of requests that an instance serves at once.
    #[schemars(range(min = 1, max = 1000), extend("default" = 1))]
    pub concurrency: Option<u32>,
    /// The number of instances that are kept ready while no request arrives.
    #[schemars(range(max = 1000), extend("default" = 0))]
    pub min_instances: Option<u32>,
    /// The maximum number of instances.
    #[schemars(range(min = 1, max = 1000), extend("default" = 100))]
    pub max_instances: Option<u32>,
    /// The maximum number of requests a second.
    #[schemars(extend("default" = 3000))]
    pub rps: Option<RequestRate>,
    /// The maximum number of requests that may arrive at once within `rps`. Without it, one second's
    /// worth.
    #[schemars(range(min = 1), extend("examples" = [200]))]
    pub burst: Option<u32>,
    /// The treatment of requests over `rps`. With `refuse` they are answered 429, with the time after
    /// which they would not have been. With `queue` they wait: at most `queue` requests, none longer
    /// than `queue_timeout`.
    #[schemars(with = "Option<String>", extend("enum" = ["refuse", "queue"], "default" = "refuse"))]
    pub over_rate: Option<OverRate>,
    /// The maximum number of instances that are started for waiting requests in ten seconds. Without
    /// it there is no bound.
    #[schemars(range(min = 1), extend("examples" = [50]))]
    pub start_rate: Option<u32>,
    /// The maximum number of requests that wait.
    #[schemars(range(max = MAX_QUEUE), extend("default" = 1000))]
    pub queue: Option<u32>,
    /// The maximum time that a request waits.
    #[schemars(extend("default" = "30s"))]
    pub queue_timeout: Option<TimeSpan>,
    /// The idle time after which an instance is paused.
    #[schemars(extend("default" = "10s"))]
    pub pause_after: Option<TimeSpan>,
    /// The idle time after which an instance is stopped.
    #[schemars(extend("default" = "10m"))]
    pub stop_after: Option<TimeSpan>,
    /// The maximum size of a request's body. With `body = "stream"` there is no bound unless one is
    /// set.
    #[schemars(extend("default" = "6MB"))]
    pub body_limit: Option<ByteSize>,
    /// The maximum size of a response's body. Without it there is no bound.
    pub response_limit: Option<ByteSize>,
    /// The form in which the handler gets a request's body.
    #[schemars(extend("default" = "parsed"))]
    pub body: Option<BodyMode>,
    /// The names of variables that the function needs, from `.env`, `.env.ENVIRONMENT` or the shell.
    /// Those that only `config` in code names are not taken from the shell. Variables that several
    /// places name add up.
    #[schemars(extend("examples" = [["REDIS_URL"]]))]
    pub env: Option<Vec<String>>,
    /// The times at which the function is called.
    #[schemars(with = "Option<ScheduleForm>", extend("examples" = ["*/5 * * * *"]))]
    pub schedule: Option<ScheduleSpec>,
    /// The delivery of the function's asynchronous invocations.
    #[serde(rename = "async")]
    pub delivery: Option<AsyncConfig>,
    /// Sources whose events call the function.
    pub on: Option<Vec<OnConfig>>,
    /// The handler's form: `(req, res)` with `http`, a CloudEvent with `event`, `(event, context)` of
    /// AWS Lambda with `lambda`, a web-standard `Request` with `fetch`, and a whole application with
    /// `app`. Without it, the handler's shape decides.
    #[schemars(with = "Option<String>", extend("enum" = ["http", "event", "lambda", "fetch", "app"]))]
    pub signature: Option<Signature>,
    /// The format of the events that a Lambda handler gets for requests: `2.0` is an HTTP API's, `1.0`
    /// a REST API's.
    #[schemars(with = "Option<String>", extend("enum" = ["1.0", "2.0"], "default" = "2.0"))]
    pub lambda_event: Option<LambdaEvent>,
}

/// The form in which a handler gets a request's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyMode {
    /// JSON, forms and text, parsed by the wrapper.
    #[default]
    Parsed,
    /// Nothing is read before the handler reads it.
    Stream,
}
