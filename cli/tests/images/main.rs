//! What is built and released.

mod build;
mod release;
#[path = "../support/mod.rs"]
mod support;
