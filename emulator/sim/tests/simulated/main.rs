//! The results of simulations.

#[path = "../common/mod.rs"]
mod common;
mod routing;
mod search;
mod stories;
