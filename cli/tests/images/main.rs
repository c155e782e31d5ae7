//! Builds and releases.

mod build;
mod release;
#[path = "../support/mod.rs"]
mod support;
