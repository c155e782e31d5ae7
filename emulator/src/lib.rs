//! Composes what runs functions on this machine: `dev`, `up`, a node, a fleet, the dashboard.
//!
//! The parts are crates of their own; see ARCHITECTURE.md.
#![warn(clippy::disallowed_macros)]

pub(crate) mod accept;
pub mod clean;
pub(crate) mod dashboard;
pub(crate) mod describe;
pub mod doctor;
pub(crate) mod error;
pub mod fleet;
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub(crate) mod limits;
pub(crate) mod listeners;
pub mod node;
pub mod registry;
pub(crate) mod routing_table;
pub mod select;
pub mod serve;
pub(crate) mod session;
pub(crate) mod workload;
