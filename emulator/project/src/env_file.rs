//! The text of a `.env` file, read as `node --env-file` of Node.js 26 reads it.
//!
//! Node.js has no grammar for it, so what its parser does is the rule, odd as some of it is: a value
//! in quotes may span lines, what follows the closing quote is dropped, and spaces alone after `=`
//! take the value from the next line. A test compares both on many texts. The one difference: a byte
//! order mark at the beginning is dropped.

/// The characters that may stand around names and values. A carriage return is dropped before.
const BLANK: [char; 3] = [' ', '\t', '\n'];

/// A variable of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileVariable {
    /// Its name, which may be any text that is not empty.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The line of its name, from 1.
    pub line: usize,
    /// The value stands in single quotes or backticks, in which nothing is replaced.
    pub is_literal: bool,
}

/// A file's variables, in order, and what is no variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvFile {
    /// A later one of the same name wins.
    pub variables: Vec<FileVariable>,
    /// Lines that hardly mean what they are read as: their number, from 1, and how they are read.
    pub odd: Vec<(usize, &'static str)>,
}

/// A line that is neither empty nor a comment.
const SETS_NOTHING: &str = "this line is not KEY=value and sets nothing";
const SPACES_IN_NAME: &str = "the name of this variable has spaces in it";
const VALUE_BELOW: &str = "only spaces follow the `=`, so the value is what stands below";

impl EnvFile {
    /// Reads the text of a file. No text is an error, as with Node.js.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').replace('\r', "");
        let mut reader = EnvReader {
            text: text.trim_end_matches(BLANK),
            at: 0,
            file: Self::default(),
        };
        reader.skip_blank();
        while !reader.rest().is_empty() {
            reader.line();
        }
        reader.file
    }
}

struct EnvReader<'a> {
    text: &'a str,
    at: usize,
    file: EnvFile,
}

impl<'a> EnvReader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(BLANK).len();
    }

    /// Goes on behind the next line feed that is `from` bytes away at least.
    fn skip_line(&mut self, from: usize) {
        let behind = self.rest().get(from..).unwrap_or_default();
        self.at = match behind.find('\n') {
            Some(end) => self.at + from + end + 1,
            None => self.text.len(),
        };
    }

    /// The line at `at`, from 1.
    fn number(&self) -> usize {
        let before = self.text.get(..self.at).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    fn line(&mut self) {
        let rest = self.rest();
        if rest.starts_with(['\n', '#']) {
            return self.skip_line(0);
        }
        match rest.find(['=', '\n']) {
            Some(end) if rest[end..].starts_with('=') => {
                let line = self.number();
                self.at += end + 1;
                self.value(rest[..end].trim_matches(BLANK), line);
            }
            end => {
                let text = &rest[..end.unwrap_or(rest.len())];
                if !text.trim_matches(BLANK).is_empty() {
                    self.odd(self.number(), SETS_NOTHING);
                }
                self.skip_line(0);
                self.skip_blank();
            }
        }
    }

    /// Reads what stands behind `name=`.
    fn value(&mut self, name: &'a str, line: usize) {
        let rest = self.rest();
        // Where nothing follows, Node.js looks for `export` no more.
        if rest.is_empty() || rest.starts_with('\n') {
            self.at = self.text.len().min(self.at + 1);
            return self.set(name, String::new(), line, false);
        }
        self.skip_blank();
        if name.is_empty() {
            return self.odd(line, SETS_NOTHING);
        }
        if self.number() != line {
            self.odd(line, VALUE_BELOW);
        }
        let name = name.strip_prefix("export ").unwrap_or(name);
        let name = name.trim_matches(BLANK);
        let rest = self.rest();
        let quote = rest.chars().next();
        if let Some(quote) = quote.filter(|c| ['"', '\'', '`'].contains(c))
            && let Some(end) = rest[1..].find(quote)
        {
            let value = &rest[1..=end];
            let value = match quote {
                '"' => value.replace("\\n", "\n"),
                _ => value.to_owned(),
            };
            self.skip_line(end + 2);
            return self.set(name, value, line, quote != '"');
        }
        let mut value = rest.split('\n').next().unwrap_or_default();
        // A quote that is not closed is text, and so is all behind it.
        if !value.starts_with(['"', '\'', '`']) {
            value = value.split('#').next().unwrap_or_default();
            value = value.trim_matches(BLANK);
        }
        self.skip_line(0);
        self.skip_blank();
        self.set(name, value.to_owned(), line, false);
    }

    fn odd(&mut self, line: usize, what: &'static str) {
        if self
            .file
            .odd
            .last()
            .is_none_or(|(before, _)| *before != line)
        {
            self.file.odd.push((line, what));
        }
    }

    fn set(&mut self, name: &str, value: String, line: usize, is_literal: bool) {
        if name.is_empty() {
            return self.odd(line, SETS_NOTHING);
        }
        if name.contains(BLANK) {
            self.odd(line, SPACES_IN_NAME);
        }
        self.file.variables.push(FileVariable {
            name: name.to_owned(),
            value,
            line,
            is_literal,
        });
    }
}
