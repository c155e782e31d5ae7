//! Promotes a release to AWS: the same images and the same gateway, on ECR and an auto-scaling
//! group of EC2 instances.
//!
//! First [`Inventory`] says what is there, then [`desired`](desired::desired) what should be, and
//! [`Plan`] is the difference; all three are plain data, and none of it knows an AWS crate. Then
//! [`apply`](apply::apply) carries the plan out and chooses nothing; `aws` does what it says, one
//! file a service. Beside it `events` reads the sources of events that AWS has, and `job_queue` is the
//! queue of jobs at SQS.
//!
//! # What no emulator proves
//! The tests run against servers that play AWS. They show which calls are made, in which order,
//! and what happens when any of them fails. They do not show that a machine boots from the user
//! data, that a real balancer drains and checks as AWS documents, how long scaling takes, that IAM
//! lets the policy's calls through on real resources, or what AWS charges.
#![warn(clippy::disallowed_macros)]

pub mod apply;
pub mod aws;
pub mod binary;
pub mod copy;
pub mod cost;
pub mod cron;
pub mod delivery;
pub mod desired;
pub mod endpoint;
pub mod environment;
mod error;
pub mod events;
pub mod gateway;
pub mod inventory;
pub mod job_queue;
pub mod logs;
pub mod names;
pub mod node;
pub mod plan;
pub mod policy;
pub mod promote;
pub mod registry;
pub mod resource;
mod role;
pub mod source;
pub mod status;

pub use error::{CloudError, CloudErrorKind};
pub use inventory::Inventory;
pub use names::ResourceNames;
pub use plan::Plan;
