//! Builds and releases.

mod build;
mod engines;
mod podman;
mod release;
mod rootless;
#[path = "../support/mod.rs"]
mod support;
