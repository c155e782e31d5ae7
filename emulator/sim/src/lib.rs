//! A fleet on virtual time: the real decisions of [`fnlocal_core`], with everything they wait for
//! drawn from distributions.
//!
//! Nodes, balancer, routing and scaling are the state machines that run live. Only the world around
//! them is simulated: requests that arrive, functions that take their time, processors that are
//! shared, instances and machines that boot. The same scenario and seed give the same report, byte
//! for byte.
//!
//! Deliberately absent: bodies, networks that lose packets, functions that fail, machines that die,
//! and builds. A request that ran over its timeout keeps its part of the processor until it would
//! have ended.
#![warn(missing_docs)]
#![warn(clippy::disallowed_macros)]

mod budget;
pub mod calibrate;
pub mod distribution;
mod engine;
pub mod price;
pub mod replay;
pub mod report;
mod rng;
pub mod scenario;
pub mod search;
pub mod slo;
pub mod trace;
pub mod triggered;
pub mod workload;

pub use budget::Exhausted;
pub use distribution::Distribution;
pub use engine::{SimError, simulate};
pub use report::SimulationReport;
pub use scenario::{FleetSize, Routing, Scenario, ScenarioFunction, ScenarioMachine, Times};
pub use slo::Slo;
pub use workload::{RateShape, Workload};
