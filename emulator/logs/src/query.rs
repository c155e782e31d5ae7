//! The choice of documents of a log.

mod backwards;

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use regex::{Regex, RegexBuilder};

use super::cursor::Cursor;
use super::document::{DocumentKind, LogDocument};

/// Memory a regular expression may take, in bytes: who asks may be anybody on this machine.
const REGEX: usize = 1 << 20;
/// The maximum length of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 512;
/// The maximum depth of groups in a pattern.
const MAX_PATTERN_DEPTH: u32 = 32;

/// A choice of documents: all conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Of this function.
    pub function: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// With this in a line, a message, or an invocation's method, path, status and problem.
    pub grep: Option<Regex>,
    /// Of this request.
    pub request: Option<String>,
    /// Of this kind.
    pub kind: Option<DocumentKind>,
    /// The maximum number of the last documents.
    pub limit: Option<usize>,
}

/// An error in a query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Not a time.
    #[error("`{0}` is neither a span of time nor a time")]
    Since(String),
    /// Not a regular expression.
    #[error("`{0}` is not a regular expression")]
    Grep(String, #[source] Box<regex::Error>),
}

fnlocal_api::user_error!(QueryError: Usage {
    Self::Since(_) => "write 30s, 5m, 2h or 1d, or a time such as 2026-01-31T12:00:00Z";
    Self::Grep(..) => "put a backslash before ( and [ to match these characters";
});

/// A time `text` ago, or the time it is.
///
/// # Errors
/// [`QueryError::Since`].
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, QueryError> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let ago = text.parse::<jiff::SignedDuration>().or_else(|error| {
        // Days are 24 hours here; jiff asks in which calendar.
        let days = text
            .trim()
            .strip_suffix('d')
            .and_then(|days| days.parse::<i64>().ok());
        let hours = days.and_then(|days| days.checked_mul(24));
        hours
            .and_then(jiff::SignedDuration::try_from_hours)
            .ok_or(error)
    });
    let at = ago
        .ok()
        .and_then(|ago| now.checked_sub(ago.unsigned_abs()).ok());
    at.ok_or_else(|| QueryError::Since(text.to_owned()))
}

/// A regular expression of bounded size.
///
/// # Errors
/// [`QueryError::Grep`], also for a pattern of more than 512 bytes: reading one takes far more time
/// and memory than its length tells.
pub fn grep(text: &str) -> Result<Regex, QueryError> {
    let built = if text.len() > MAX_PATTERN_BYTES {
        let what = format!("longer than {MAX_PATTERN_BYTES} bytes");
        Err(regex::Error::Syntax(what))
    } else {
        let mut builder = RegexBuilder::new(text);
        builder
            .size_limit(REGEX)
            .nest_limit(MAX_PATTERN_DEPTH)
            .build()
    };
    built.map_err(|error| QueryError::Grep(text.to_owned(), Box::new(error)))
}

impl Query {
    /// Returns whether a document matches.
    #[must_use]
    pub fn wants(&self, kept: &LogDocument) -> bool {
        let function = self.function.as_deref();
        let request = self.request.as_deref();
        function.is_none_or(|name| kept.function() == Some(name))
            && request.is_none_or(|id| kept.request() == Some(id))
            && self.kind.is_none_or(|kind| kept.kind() == kind)
            && self.since.is_none_or(|since| kept.time() >= since)
            && self.grep.as_ref().is_none_or(|grep| found(grep, kept))
    }

    /// A line's document, if it is wanted.
    fn parse(&self, line: &str) -> Option<LogDocument> {
        // Looking for its name is a hundredth of the work of taking a line apart.
        let request = self.request.as_deref();
        if request.is_some_and(|id| !line.contains(id)) {
            return None;
        }
        // The end of a file may be torn.
        let kept = serde_json::from_str(line).ok()?;
        self.wants(&kept).then_some(kept)
    }

    /// The next lines of a log that are wanted, as they are in the file, until there are `bytes`
    /// of them; none when there is nothing more for now.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn next(&self, cursor: &mut Cursor, bytes: usize) -> io::Result<Option<String>> {
        let mut text = String::new();
        while let Some(line) = cursor.next_line()? {
            if self.parse(&line).is_some() {
                text.push_str(&line);
                if text.len() >= bytes {
                    break;
                }
            }
        }
        Ok((!text.is_empty()).then_some(text))
    }

    /// Returns the present matches of a log, and the place at which to go on: the last lines up to
    /// the limit, and everything of a request.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn begin(&self, folder: &Path) -> io::Result<(String, Cursor)> {
        match (&self.request, self.limit) {
            (Some(_), _) => backwards::read(self, folder),
            (None, Some(limit)) => self.last(folder, limit),
            (None, None) => Ok((String::new(), Cursor::open(folder, self.since)?)),
        }
    }

    fn last(&self, folder: &Path, limit: usize) -> io::Result<(String, Cursor)> {
        let mut cursor = Cursor::open(folder, self.since)?;
        let mut last = VecDeque::new();
        // One at a time, so that each counts.
        while let Some(line) = self.next(&mut cursor, 1)? {
            if last.len() == limit {
                last.pop_front();
            }
            if limit > 0 {
                last.push_back(line);
            }
        }
        Ok((last.into_iter().collect(), cursor))
    }
}

fn found(grep: &Regex, kept: &LogDocument) -> bool {
    match kept {
        LogDocument::Line(line) => grep.is_match(&line.text),
        LogDocument::Platform(said) => {
            let detail = said.detail.as_deref();
            grep.is_match(&said.text) || detail.is_some_and(|detail| grep.is_match(detail))
        }
        LogDocument::Invocation(one) => {
            let problem = one.problem.as_deref().unwrap_or_default();
            let text = format!("{} {} {} {problem}", one.method, one.path, one.status);
            grep.is_match(&text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_times_are_refused() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        for text in [
            "999999999999999999d",
            "-999999999999999999d",
            "9223372036854775807d",
            "384307168202282326d",
            "9223372036854775807s",
            "-9223372036854775808s",
            "NaNs",
            "1e400s",
        ] {
            assert!(since(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_too_costly_to_compile_are_refused() {
        assert!(grep(&r"\W".repeat(30_000)).is_err());
        assert!(grep(&"(".repeat(200)).is_err());
        assert!(grep("refused|timeout").is_ok());
    }

    #[test]
    fn since_accepts_a_duration_before_now_or_a_timestamp() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let at = |text: &str| since(text, now).unwrap().to_string();
        assert_eq!(at("5m"), "2026-01-31T11:55:00Z");
        assert_eq!(at("1h 30m"), "2026-01-31T10:30:00Z");
        assert_eq!(at("2d"), "2026-01-29T12:00:00Z");
        assert_eq!(at("2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z");
        assert!(since("yesterday", now).is_err());
    }
}
