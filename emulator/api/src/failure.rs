//! An error of a function's code.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::cut;

/// Reads the failure of a wrapper's answer, cut. Any other value than a failure becomes one, with its
/// JSON as the message.
///
/// # Errors
/// No JSON.
pub fn read_failure<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Failure>, D::Error> {
    let told = Option::<Value>::deserialize(from)?;
    Ok(told.map(|told| {
        let failure = Failure::deserialize(&told);
        let mut failure = failure.unwrap_or_else(|_| Failure::plain(told.to_string(), None));
        failure.cut();
        failure
    }))
}

/// Why code could not be imported, as the wrapper tells it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
pub struct Failure {
    /// The error's class, such as `SyntaxError`.
    pub name: String,
    /// Its message.
    pub message: String,
    /// The file it is in, as the instance sees it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// The lines around, with a caret.
    pub frame: Option<String>,
    /// Where it was thrown.
    pub stack: Option<String>,
    /// One action that helps.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure that is not an error of the code itself.
    #[must_use]
    pub fn plain(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self {
            message: message.into(),
            hint: hint.map(str::to_owned),
            ..Self::default()
        }
    }

    /// Cuts its texts, which code may make of any length.
    pub fn cut(&mut self) {
        cut(&mut self.name, 256);
        cut(&mut self.message, 8 << 10);
        let texts = [
            (&mut self.file, 1 << 10),
            (&mut self.frame, 4 << 10),
            (&mut self.stack, 16 << 10),
            (&mut self.hint, 1 << 10),
        ];
        for (text, bytes) in texts {
            text.iter_mut().for_each(|text| cut(text, bytes));
        }
    }

    /// Returns the number of bytes of its texts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [&self.file, &self.frame, &self.stack, &self.hint];
        let texts = texts.into_iter().flatten().map(String::len);
        self.name.len() + self.message.len() + texts.sum::<usize>()
    }

    /// The summary in one line of at most 500 bytes.
    #[must_use]
    pub fn brief(&self) -> String {
        let mut text = self.summary().replace('\n', " ");
        cut(&mut text, 500);
        text
    }

    /// The failure with paths as the person knows them: `from` is where an instance saw the code,
    /// `to` where it lies.
    pub fn rebase(&mut self, from: &str, to: &str) {
        self.message = self.message.replace(from, to);
        if let Some(file) = &mut self.file
            && !file.starts_with('/')
        {
            // The wrapper names files of the package without their folder.
            file.insert_str(0, from);
        }
        let texts = [&mut self.file, &mut self.stack, &mut self.frame];
        for text in texts.into_iter().flatten() {
            *text = text.replace(from, to);
        }
    }

    /// The failure in a line: class, message and place.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = if self.name.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.name, self.message)
        };
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            text.push_str(&format!(" ({file}:{line}"));
            if let Some(column) = self.column {
                text.push_str(&format!(":{column}"));
            }
            text.push(')');
        }
        text
    }
}
