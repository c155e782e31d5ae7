//! What is built and released.

mod build;
mod podman;
mod release;
#[path = "../support/mod.rs"]
mod support;
