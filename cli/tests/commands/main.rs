//! Commands that serve nothing for long.

mod clean;
mod clients;
mod doctor;
mod errors;
mod everyday;
mod help;
mod packaging;
mod simulate;
#[path = "../support/mod.rs"]
mod support;
