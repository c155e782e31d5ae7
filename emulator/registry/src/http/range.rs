//! Ranges of bytes: those a download asks for, and those of an upload's chunks.

use std::ops::Range;

/// The requested part of a blob.
#[derive(Debug, PartialEq, Eq)]
pub enum RequestedRange {
    /// All, also when the header is not understood: RFC 9110, 14.2.
    All,
    /// A part that is there.
    Part(Range<u64>),
    /// Nothing that is there.
    Nothing,
}

/// Reads a Range header, for content of `size` bytes. Only single ranges are served as such.
pub fn asked(header: Option<&str>, size: u64) -> RequestedRange {
    let Some((first, last)) = header
        .and_then(|header| header.strip_prefix("bytes="))
        .filter(|ranges| !ranges.contains(','))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return RequestedRange::All;
    };
    let range = match (number(first), number(last)) {
        // One that ends before it begins is empty.
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(last)) if first.is_empty() => size.saturating_sub(last)..size,
        _ => return RequestedRange::All,
    };
    if range.is_empty() {
        return RequestedRange::Nothing;
    }
    RequestedRange::Part(range)
}

/// Reads a chunk's Content-Range: `first-last`, both included.
pub fn chunk(header: &str) -> Option<Range<u64>> {
    let (first, last) = header.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then(|| first..last.saturating_add(1))
}

/// A number of digits alone, without the sign `parse` would take.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_range_is_limited_to_the_content() {
        let part = |range| RequestedRange::Part(range);
        assert_eq!(asked(Some("bytes=0-3"), 10), part(0..4));
        assert_eq!(asked(Some("bytes=9-99"), 10), part(9..10));
        assert_eq!(asked(Some("bytes=4-"), 10), part(4..10));
        assert_eq!(asked(Some("bytes=-3"), 10), part(7..10));
        assert_eq!(asked(Some("bytes=-99"), 10), part(0..10));
        assert_eq!(asked(Some("bytes=0-18446744073709551615"), 10), part(0..10));
    }

    #[test]
    fn a_range_beyond_the_end_selects_nothing() {
        for range in ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=3-1"] {
            assert_eq!(asked(Some(range), 10), RequestedRange::Nothing, "{range}");
        }
        assert_eq!(asked(Some("bytes=0-"), 0), RequestedRange::Nothing);
    }

    #[test]
    fn an_unsupported_range_selects_everything() {
        for range in [
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=",
            "bytes=-",
            "bytes=+1-2",
            "bytes=a-b",
        ] {
            assert_eq!(asked(Some(range), 10), RequestedRange::All, "{range}");
        }
        assert_eq!(asked(None, 10), RequestedRange::All);
    }

    #[test]
    fn a_chunk_range_requires_both_ends() {
        assert_eq!(chunk("0-0"), Some(0..1));
        assert_eq!(chunk("5-9"), Some(5..10));
        for bad in ["", "-", "5-", "-9", "9-5", "bytes 0-1/2", "0-+1", "0-1-2"] {
            assert_eq!(chunk(bad), None, "{bad}");
        }
    }
}
