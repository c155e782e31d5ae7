//! The decisions of the core.

mod answers;
mod balancer;
mod chill;
mod code;
#[path = "../common/mod.rs"]
mod common;
mod expect;
mod fuzz;
mod idle;
mod limits;
mod properties;
mod release;
mod replay;
mod requests;
mod routing;
mod scaling;
mod starts;
