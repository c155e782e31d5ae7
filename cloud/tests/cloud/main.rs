//! Promoting, against what plays AWS: see `../aws/strict.py`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod boot;
mod cron;
mod faults;
mod jobs;
mod lasting;
mod planning;
mod play;
mod project;
mod stage;
mod story;
