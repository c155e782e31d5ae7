//! Talks to a container engine: Docker, Podman and what speaks their API.
//!
//! Knows containers, images, volumes and labels of fnlocal; not what runs in them.
#![warn(clippy::disallowed_macros)]

pub mod connect;
pub mod container;
pub mod error;
pub mod helper;
pub mod identity;
pub mod labels;
pub mod naming;
pub mod reaper;
pub mod sending;
pub mod tarball;

pub use error::EngineError;

/// Told what is going on, for people who wait.
pub type OnProgress<'a> = &'a dyn Fn(String);
