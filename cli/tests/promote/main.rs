//! The commands for AWS, against what plays it: see `cloud/tests/aws/strict.py`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod cloud;
mod diagnosis;
mod hostile;
mod refusals;
mod story;
#[path = "../support/mod.rs"]
mod support;
