//! Builds and releases.

mod build;
mod podman;
mod release;
#[path = "../support/mod.rs"]
mod support;
