//! The parts here that `crate::fuzzing` may reach.

use std::ops::Range;

use super::range::{RequestedRange, asked};
use super::route::RegistryRoute;

pub use super::range::chunk;

/// Reads a request's path.
pub fn path(text: &str) {
    drop(RegistryRoute::parse(text));
}

/// The part of `size` bytes that a `Range` header asks for.
pub fn part(text: &str, size: u64) -> Option<Range<u64>> {
    match asked(Some(text), size) {
        RequestedRange::Part(range) => Some(range),
        RequestedRange::All | RequestedRange::Nothing => None,
    }
}
