//! Hostile functions, clients and repositories against the real `fnlocal`, from outside.
//!
//! One module a border of trust. Cargo builds this as a test of the crate `fnlocal`, since the
//! binary stands there.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod build_time;
mod front;
mod leftovers;
mod link;
mod memory;
mod origin;
mod protocol;
mod queue;
mod reports;
mod repository;
#[path = "../../../cli/tests/support/mod.rs"]
mod support;
mod terminal;
mod variables;
