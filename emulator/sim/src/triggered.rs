//! Asynchronous work: schedules, and invocations at a rate.
//!
//! Such work enters as it does live: by `fnlocal_core::async_budget`, from one queue in front of all nodes,
//! on the node with most room. Nodes in the cloud have a queue each, so a job there runs where it was
//! accepted.

use fnlocal_core::trigger::AsyncPolicy;

/// The source of jobs of one function.
#[derive(Clone, Debug)]
pub struct Triggered {
    /// The function, by its number.
    pub function: u32,
    /// When they come.
    pub due: Due,
    /// How they are delivered. Keys and their time are not simulated.
    pub policy: AsyncPolicy,
}

/// When jobs come.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// At these seconds from the first moment of the workload, in their order.
    At(Vec<f64>),
    /// A rate per second, by chance, for as long as requests come.
    Rate(f64),
}
