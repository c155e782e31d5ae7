//! An error in a file, its place, and a picture of it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Something wrong in a file a person wrote.
///
/// Displays as `file:line:column: message` followed by the lines concerned with a caret below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column, in characters from 1.
    pub column: usize,
    /// The error.
    pub message: String,
    /// The lines concerned, with a caret; several lines of text without colours.
    pub picture: String,
    hint: Option<String>,
}

impl FileError {
    /// Something wrong at `span` (bytes) of a file that contains `text`.
    #[must_use]
    pub fn new(path: &Path, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
            picture: draw(text, start..end),
            hint: None,
        }
    }

    /// The same at a line and a column, both from 1, as serde_json gives them.
    #[must_use]
    pub fn at(path: &Path, text: &str, line: usize, column: usize, message: String) -> Self {
        let skipped = text.split_inclusive('\n').take(line.saturating_sub(1));
        let offset = skipped.map(str::len).sum::<usize>() + column.saturating_sub(1);
        Self::new(path, text, offset..offset + 1, message)
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

fnlocal_api::user_error!(FileError: Config { Self { hint, .. } => hint.clone(); });

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "{path}:{}:{}: {}", self.line, self.column, self.message)?;
        if self.picture.is_empty() {
            return Ok(());
        }
        write!(f, "\n{}", self.picture)
    }
}

impl std::error::Error for FileError {}

/// Something wrong at a key of a table, wherever the table stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    /// The keys that lead to the value, with numbers for places in a list.
    pub keys: Vec<String>,
    /// The error.
    what: String,
    /// `what` says something about the key, and does not name it.
    is_predicate: bool,
    /// One action that helps.
    pub hint: Option<String>,
}

impl KeyError {
    /// An error whose text says something about the last key, such as "must be at least 1".
    pub(crate) fn about<K: Into<String>>(keys: impl IntoIterator<Item = K>, what: String) -> Self {
        let sentence = Self::sentence(keys, what);
        Self {
            is_predicate: true,
            ..sentence
        }
    }

    /// An error whose text is a sentence of its own.
    pub(crate) fn sentence<K: Into<String>>(
        keys: impl IntoIterator<Item = K>,
        what: String,
    ) -> Self {
        Self {
            keys: keys.into_iter().map(Into::into).collect(),
            what,
            is_predicate: false,
            hint: None,
        }
    }

    /// The same with a hint.
    pub(crate) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// Returns the error, for a text that has named the key.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_name = |key: &&String| key.parse::<usize>().is_err();
        match self.keys.iter().rev().find(is_name) {
            Some(key) if self.is_predicate => write!(f, "`{key}` {}", self.what),
            _ => f.write_str(&self.what),
        }
    }
}

fn draw(text: &str, span: Range<usize>) -> String {
    if text.is_empty() {
        return String::new();
    }
    let snippet = Snippet::source(text).annotation(AnnotationKind::Primary.span(span));
    let report = [Level::ERROR.primary_title("").element(snippet)];
    let drawn = Renderer::plain().render(&report);
    // The title is the message's place, which every printer words itself.
    let picture = drawn
        .split_once('\n')
        .map_or("", |(_title, picture)| picture);
    picture.trim_end().to_owned()
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The maximum length of a word that is compared, in bytes: the time grows with its square.
const MAX_WORD_BYTES: usize = 64;

/// The known word nearest to `word`, when it is near enough to have been meant. `None` for a word
/// longer than 64 bytes; longer known ones are left out.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let near = |known: &&str| {
        let bound = (word.chars().count() / 3).clamp(1, 3);
        strsim::damerau_levenshtein(&word.to_lowercase(), &known.to_lowercase()) <= bound
            || (known.len() > 3
                && word.len() > 3
                && (known.starts_with(word) || word.starts_with(known)))
    };
    let distance = |known: &&str| strsim::damerau_levenshtein(word, known);
    let known = known.into_iter().filter(|one| one.len() <= MAX_WORD_BYTES);
    known.filter(near).min_by_key(distance)
}

/// The hint for an unknown word: the nearest known one, else all of them.
#[must_use]
pub fn suggest(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_ignore_names_that_are_too_long_to_match() {
        assert_eq!(nearest("timeuot", ["timeout", "memory"]), Some("timeout"));
        let long = "timeout".repeat(100_000);
        assert_eq!(nearest(&long, ["timeout"]), None);
        assert_eq!(nearest("timeout", [&*long, "time"]), Some("time"));
    }
}
