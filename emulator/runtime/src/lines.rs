//! Bytes an instance wrote, as lines of bounded length.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use fnlocal_core::InstanceId;

use super::rate::RateBudget;
use super::{Notice, Notices};
use fnlocal_api::{CRASH_PREFIX, Report};
use fnlocal_language::Language;

/// Longer lines are cut: one line must not hold the memory of a whole log.
const LONGEST: usize = 16 * 1024;
/// Lines of stderr kept for telling why an instance did not come up.
const MAX_KEPT_LINES: usize = 20;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    rest: Vec<u8>,
}

impl LineSplitter {
    /// Takes more bytes and gives the lines they completed.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.ends_with(b"\n") {
                self.rest.pop();
                self.rest.pop_if(|last| *last == b'\r');
                lines.extend(self.cut());
            }
            while self.rest.len() > LONGEST {
                let longer = self.rest.split_off(whole_chars(&self.rest));
                lines.extend(self.finish());
                self.rest = longer;
            }
        }
        lines
    }

    /// Gives what came after the last line feed.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.rest);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }

    fn cut(&mut self) -> Vec<String> {
        let mut rest = std::mem::take(&mut self.rest);
        let mut pieces = Vec::new();
        while rest.len() > LONGEST {
            let longer = rest.split_off(whole_chars(&rest));
            pieces.push(String::from_utf8_lossy(&rest).into_owned());
            rest = longer;
        }
        pieces.push(String::from_utf8_lossy(&rest).into_owned());
        pieces
    }
}

/// The length of the first piece of a line that is too long: no character is cut in two.
fn whole_chars(line: &[u8]) -> usize {
    let continues = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    // A character has four bytes at most; what continues longer is no text.
    let begin = (LONGEST - 3..=LONGEST).rev().find(|at| !continues(at));
    begin.unwrap_or(LONGEST)
}

/// The last lines an instance wrote to stderr.
#[derive(Clone, Debug)]
pub(crate) struct StderrTail {
    language: &'static dyn Language,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl StderrTail {
    pub(crate) fn new(language: &'static dyn Language) -> Self {
        let lines = Arc::default();
        Self { language, lines }
    }

    fn keep(&self, line: &str) {
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MAX_KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(readable(line));
    }

    /// The kept lines, oldest first.
    pub(crate) fn text(&self) -> String {
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Returns whether the interpreter ended at a memory limit of its own.
    pub(crate) fn tells_heap_exhausted(&self) -> bool {
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .any(|line| self.language.tells_out_of_memory(line))
    }
}

/// A line for people: a crash is written for the platform.
fn readable(line: &str) -> String {
    let crash = line.strip_prefix(CRASH_PREFIX).map(str::as_bytes);
    match crash.and_then(Report::read) {
        Some(Report::Error { error, .. }) => error.brief(),
        _ => line.to_owned(),
    }
}

/// One instance's output on its way to the notices.
pub(crate) struct InstanceOutput {
    instance: InstanceId,
    notices: Notices,
    tail: StderrTail,
    out: LineSplitter,
    err: LineSplitter,
    budget: RateBudget,
}

impl InstanceOutput {
    pub(crate) fn new(instance: InstanceId, notices: Notices, tail: StderrTail) -> Self {
        Self {
            instance,
            notices,
            tail,
            out: LineSplitter::default(),
            err: LineSplitter::default(),
            budget: RateBudget::default(),
        }
    }

    /// Takes bytes of one stream; waits while the notices are full, and above the rate.
    pub(crate) async fn push(&mut self, stderr: bool, bytes: &[u8]) {
        let lines = if stderr {
            self.err.push(bytes)
        } else {
            self.out.push(bytes)
        };
        let count = lines.len();
        for line in lines {
            self.send(stderr, line).await;
        }
        self.budget.spend(bytes.len(), count).await;
    }

    /// Sends what was left without a line feed.
    pub(crate) async fn finish(&mut self) {
        if let Some(line) = self.out.finish() {
            self.send(false, line).await;
        }
        if let Some(line) = self.err.finish() {
            self.send(true, line).await;
        }
    }

    async fn send(&self, stderr: bool, line: String) {
        if stderr {
            self.tail.keep(&line);
        }
        // A closed receiver means that nobody wants lines any more.
        let _ = self
            .notices
            .send(Notice::Line {
                instance: self.instance,
                stderr,
                line,
            })
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_at_line_feeds_across_chunks() {
        let mut lines = LineSplitter::default();
        assert_eq!(lines.push(b"a\r\nb"), ["a"]);
        assert_eq!(lines.push(b"c\n\n"), ["bc", ""]);
        assert_eq!(lines.push(b"d"), Vec::<String>::new());
        assert_eq!(lines.finish().as_deref(), Some("d"));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn long_lines_are_split_only_between_characters() {
        for text in [
            "ü".repeat(40_000),
            format!("x{}", "€".repeat(40_000)),
            "😀".repeat(40_000),
        ] {
            for piece in [7, 16 * 1024 + 1, 1 << 20] {
                let mut lines = LineSplitter::default();
                let mut got = Vec::new();
                for bytes in text.as_bytes().chunks(piece) {
                    got.extend(lines.push(bytes));
                }
                got.extend(lines.push(b"\n"));
                assert!(got.iter().all(|line| line.len() <= LONGEST));
                assert_eq!(got.concat(), text, "in pieces of {piece}");
            }
        }
    }

    #[test]
    fn no_line_exceeds_the_maximum_length() {
        let mut lines = LineSplitter::default();
        let mut got = lines.push(&[b'x'; 40_000]);
        got.extend(lines.push(b"\n"));
        assert!(got.iter().all(|line| line.len() <= LONGEST));
        assert_eq!(got.iter().map(String::len).sum::<usize>(), 40_000);
    }
}
