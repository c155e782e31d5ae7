//! What simulations come to.

#[path = "../common/mod.rs"]
mod common;
mod routing;
mod search;
mod stories;
