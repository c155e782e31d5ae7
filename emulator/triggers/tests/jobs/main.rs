//! Jobs and schedules without servers.

mod clockwork;
mod queue;
mod schedule;
#[path = "../support/mod.rs"]
mod support;
mod wall_clock;
