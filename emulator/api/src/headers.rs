//! Names of the HTTP headers that fnlocal reads and writes.

/// The request's id, in every response.
pub const REQUEST_ID: &str = "x-fnlocal-request-id";
/// How the request met its instance: a word of [`crate::StartKind`].
pub const START: &str = "x-fnlocal-start";
/// The reason of a cold start: a word of [`crate::Cold`]. In responses of cold starts only.
pub const COLD: &str = "x-fnlocal-cold";
/// The number of the instance that answered.
pub const INSTANCE: &str = "x-fnlocal-instance";
/// The hash of the code that answered: 16 hexadecimal digits.
pub const CODE: &str = "x-fnlocal-code";
/// The node whose instance answered.
pub const NODE: &str = "x-fnlocal-node";
/// The time until the response's head, by part, in milliseconds.
pub const TIMING: &str = "server-timing";
/// `async` asks for an asynchronous invocation.
pub const INVOKE: &str = "x-fnlocal-invoke";
/// The order key: jobs with the same key run one after the other.
pub const ORDER_KEY: &str = "x-fnlocal-order-key";
/// The run's token, which paths of the platform require.
pub const TOKEN: &str = "x-fnlocal-token";
/// The key of a node, on requests from one node to another.
pub const FORWARDED: &str = "x-fnlocal-forwarded";
/// The node that handed over a job.
pub const JOB_FROM: &str = "x-fnlocal-job-from";
/// The kind of trigger that made a job. Sent to instances only.
pub const TRIGGER: &str = "x-fnlocal-trigger";
/// The number of attempts of a job, including this one. Sent to instances only.
pub const ATTEMPT: &str = "x-fnlocal-attempt";
/// The target of a request as its client sent it, where no URI may be written so. To instances, and
/// from node to node.
pub const TARGET: &str = "x-fnlocal-target";
/// `lambda` hands a Lambda handler the request's body as its event. On requests with the run's token
/// only.
pub const EVENT: &str = "x-fnlocal-event";
/// The route that a request took, such as `GET /users/{id}`. To instances, and from node to node.
pub const ROUTE: &str = "x-fnlocal-route";
/// The parameters of the route's path as a query. To instances, and from node to node.
pub const PARAMS: &str = "x-fnlocal-params";
/// In an instance's response: the handler works on after the response's end. The instance is asked
/// when it is idle.
pub const BACKGROUND: &str = "x-fnlocal-background";
/// Sent by the platform's own page, which no other site's page can do unasked.
pub const PAGE: &str = "x-fnlocal-page";
/// The beginning of the names of the platform's headers.
pub const PREFIX: &str = "x-fnlocal-";
