//! Builds and releases.

mod build;
mod engines;
mod installs;
mod podman;
mod release;
mod rootless;
#[path = "../support/mod.rs"]
mod support;
