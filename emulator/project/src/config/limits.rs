//! The keys of `[limits]`.

use fnlocal_core::OverRate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_QUEUE, MB};
use crate::values::{ByteSize, MemorySize, RequestRate, TimeSpan};

/// Limits of all functions together on one node, and of every function that says nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// The maximum number of requests of one function that wait, unless `[defaults]` or the function
    /// says otherwise.
    #[schemars(range(max = MAX_QUEUE), extend("examples" = [1000]))]
    pub queue: Option<u32>,
    /// The maximum time that a request waits, unless `[defaults]` or the function says otherwise.
    pub queue_timeout: Option<TimeSpan>,
    /// The maximum number of instances of all functions together.
    #[schemars(range(min = 1), extend("default" = 1000))]
    pub max_instances: Option<u32>,
    /// The maximum number of requests a second of all functions together. Without it there is no
    /// bound.
    #[schemars(extend("examples" = [5000]))]
    pub rps: Option<RequestRate>,
    /// The maximum number of requests that may arrive at once within `rps`. Without it, one second's
    /// worth.
    #[schemars(range(min = 1), extend("examples" = [500]))]
    pub burst: Option<u32>,
    /// The treatment of requests over `rps`, as for a function.
    #[schemars(with = "Option<String>", extend("enum" = ["refuse", "queue"], "default" = "refuse"))]
    pub over_rate: Option<OverRate>,
    /// The maximum size of a request's body, unless `[defaults]` or the function says otherwise.
    pub body_limit: Option<ByteSize>,
    /// The maximum size of a response's body, unless `[defaults]` or the function says otherwise.
    pub response_limit: Option<ByteSize>,
    /// The memory of a node that may be promised to instances. Without it, what is free on this
    /// machine.
    #[schemars(range(min = 64), extend("examples" = ["4GB"]))]
    pub memory: Option<MemorySize>,
    /// The maximum size of all waiting asynchronous invocations, bodies included.
    #[schemars(extend("minimum" = MB, "default" = "1GB"))]
    pub async_queue_size: Option<ByteSize>,
    /// The time for which a stream or an upgraded connection may stay silent.
    #[schemars(range(min = 1), extend("default" = "60s"))]
    pub idle_timeout: Option<TimeSpan>,
    /// The maximum time that a client may take to send a request's head, and for which a connection
    /// may stay unused.
    #[schemars(range(min = 1), extend("default" = "30s"))]
    pub head_timeout: Option<TimeSpan>,
    /// The maximum time in which a body that is parsed must arrive.
    #[schemars(range(min = 1), extend("default" = "120s"))]
    pub body_timeout: Option<TimeSpan>,
    /// The maximum size of a request's head: its first line and its headers.
    #[schemars(extend("minimum" = 4096, "maximum" = MB, "default" = "64KB"))]
    pub max_header_size: Option<ByteSize>,
}
