//! Names of the HTTP headers that fnlocal reads and writes.

/// The request's id, in every answer.
pub const REQUEST_ID: &str = "x-fnlocal-request-id";
/// How the request met its instance: a word of [`crate::StartKind`].
pub const START: &str = "x-fnlocal-start";
/// What a cold start was for: a word of [`crate::Cold`]. In answers of cold starts only.
pub const COLD: &str = "x-fnlocal-cold";
/// The number of the instance that answered.
pub const INSTANCE: &str = "x-fnlocal-instance";
/// The hash of the files of the code that answered: 16 hexadecimal digits.
pub const CODE: &str = "x-fnlocal-code";
/// The node whose instance answered.
pub const NODE: &str = "x-fnlocal-node";
/// Where the time to the answer's head went, in milliseconds.
pub const TIMING: &str = "server-timing";
/// Asks for an asynchronous invocation: `async`.
pub const INVOKE: &str = "x-fnlocal-invoke";
/// Jobs of one order key run one after the other.
pub const ORDER_KEY: &str = "x-fnlocal-order-key";
/// The run's token, for paths of the platform that need it.
pub const TOKEN: &str = "x-fnlocal-token";
/// Carries the node's key, on requests that one node sends to another.
pub const FORWARDED: &str = "x-fnlocal-forwarded";
/// Names the node that handed a job over.
pub const JOB_FROM: &str = "x-fnlocal-job-from";
/// What made a job: a word of a trigger's kind. To instances only.
pub const TRIGGER: &str = "x-fnlocal-trigger";
/// How often a job has been tried, with this time. To instances only.
pub const ATTEMPT: &str = "x-fnlocal-attempt";
/// The target of a request as its client sent it, where no URI may be written so. To instances, and
/// from node to node.
pub const TARGET: &str = "x-fnlocal-target";
/// Sent by the platform's own page, which no other site's page can do unasked.
pub const PAGE: &str = "x-fnlocal-page";
/// What the names of the platform's own headers begin with.
pub const PREFIX: &str = "x-fnlocal-";
