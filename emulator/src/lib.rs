//! Runs functions on this machine.
//!
//! Knows Docker, files, sockets and the clock; decides nothing about instances: that is
//! `fnlocal-core`, whose effects [`driver`] performs. See ARCHITECTURE.md for the three flows.
#![warn(clippy::disallowed_macros)]

pub mod build;
pub mod clean;
pub(crate) mod dashboard;
pub mod dev;
pub mod doctor;
pub mod driver;
pub mod faults;
pub mod fleet;
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
pub mod image;
pub mod inspect;
pub mod logs;
pub mod metrics;
pub mod node;
pub(crate) mod programs;
pub mod project;
pub mod registry;
pub mod release;
pub mod runtime;
pub mod serve;
pub mod trace;
pub mod triggers;
pub mod up;
pub mod watch;
