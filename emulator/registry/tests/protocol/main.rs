//! The registry as its clients see it.

mod deadlines;
mod names;
mod pull;
mod push;
mod store;
#[path = "../support/mod.rs"]
mod support;
