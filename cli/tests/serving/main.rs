//! `dev`, on containers and as processes.

mod copied;
mod dashboard;
mod examples;
mod http;
mod isolation;
mod observe;
mod pool;
mod queue;
mod reload;
#[path = "../support/mod.rs"]
mod support;
