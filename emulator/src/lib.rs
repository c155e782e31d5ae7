//! Composes what runs functions on this machine: `dev`, `up`, a node, a fleet, the dashboard.
//!
//! The parts are crates of their own; see ARCHITECTURE.md.
#![warn(clippy::disallowed_macros)]

pub mod clean;
pub(crate) mod dashboard;
pub mod dev;
pub mod doctor;
pub mod fleet;
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub mod node;
pub mod registry;
pub mod select;
pub mod serve;
pub mod up;
