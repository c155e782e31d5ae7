//! What `crate::fuzzing` may reach here.

use std::ops::Range;

use super::range::{Asked, asked};
use super::route::Route;

pub use super::range::chunk;

/// Reads a request's path.
pub fn path(text: &str) {
    drop(Route::parse(text));
}

/// The part of `size` bytes that a `Range` header asks for.
pub fn part(text: &str, size: u64) -> Option<Range<u64>> {
    match asked(Some(text), size) {
        Asked::Part(range) => Some(range),
        Asked::All | Asked::Nothing => None,
    }
}
