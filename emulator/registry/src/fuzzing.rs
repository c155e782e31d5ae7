//! Parsers of clients' bytes that are not public, for the crate `fnlocal-fuzz`.

use std::str::FromStr;

use crate::http::fuzzing::{chunk, part, path};
use crate::{Digest, Reference, RepositoryName, Tag};

/// A request's path, and what stands in one: whatever is taken is written the same way.
pub fn names(text: &str) {
    path(text);
    same::<RepositoryName>(text);
    same::<Tag>(text);
    same::<Reference>(text);
    same::<Digest>(text);
}

/// `Range` and `Content-Range`: nothing beyond `size` bytes is given.
pub fn ranges(text: &str, size: u64) {
    if let Some(range) = part(text, size) {
        assert!(range.start < range.end && range.end <= size);
    }
    if let Some(range) = chunk(text) {
        assert!(range.start <= range.end);
    }
}

fn same<T: FromStr + ToString>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let written = read.to_string();
        assert_eq!(written, text);
        assert!(!written.split('/').any(|part| part == ".." || part == "."));
    }
}
