//! Load for fnlocal: what is sent when, what came of it, and what that means.
//!
//! Knows HTTP and a gateway's reports; knows no project, no Docker and no AWS. The composing crate
//! gives the target and the scenario.
#![warn(clippy::disallowed_macros)]

pub mod budget;
pub mod calibration;
mod clock;
pub mod compare;
mod connect;
mod error;
mod gateway;
mod generator;
pub mod html;
pub mod profile;
mod recorder;
pub mod report;
mod run;
mod sample;
pub mod scenario;
pub mod summary;
mod target;
pub mod template;
mod users;
mod words;
mod worker;

pub use error::LoadTestError;
pub use report::LoadReport;
pub use run::{CheckedTarget, ColdPlan, Gathered, LiveProgress, LoadKind, LoadPlan};
pub use target::Target;
pub use users::can_send;
