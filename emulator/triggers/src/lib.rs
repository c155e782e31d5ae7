//! The callers of functions besides requests: asynchronous invocations, schedules, and event
//! sources.
//!
//! All of it goes through one durable queue ([`job_queue::JobQueue`]): whoever has an event puts a
//! job into it, and [`delivery`] has it run at least once. [`queue`] is the queue in a file of this
//! machine. How functions run is behind [`delivery::Invoke`], what the time is behind
//! [`clock::Clock`], and what a source is behind [`source::Source`]. Deliberately absent: Docker,
//! HTTP servers, and how much of a node may be taken, which is `fnlocal_core::async_budget`.
#![warn(missing_docs)]
#![warn(clippy::disallowed_macros)]

pub mod clock;
pub mod delivery;
pub mod event;
pub mod group_commit;
pub mod job;
pub mod job_queue;
pub mod queue;
mod ready_queue;
pub mod schedule;
pub mod scheduler;
pub mod source;
pub mod sources;
pub mod store;
mod wall_clock;

pub use ready_queue::JobCounts;
