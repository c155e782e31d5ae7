//! `dev`, on containers and as processes.

mod copied;
mod dashboard;
mod examples;
mod handlers;
mod heads;
mod http;
mod isolation;
mod observe;
mod packages;
mod pool;
mod proxies;
mod queue;
mod reload;
mod signatures;
#[path = "../support/mod.rs"]
mod support;
mod typescript;
