//! A place in a log's files, from which one goes on reading, also while they are written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::segments::{numbers, path};

/// The maximum length of a line, in bytes. No document is as long.
const MAX_LINE_BYTES: usize = 4 << 20;
/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A place in a log.
#[derive(Debug)]
pub struct Cursor {
    folder: PathBuf,
    number: u64,
    file: Option<BufReader<File>>,
    /// A line that is not whole yet.
    begun: Vec<u8>,
    /// The line at hand is too long.
    skipping: bool,
}

impl Cursor {
    /// The beginning of the first file that was written to at or after a time. A folder that is
    /// not there is as good as an empty one.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(folder: &Path, since: Option<Timestamp>) -> io::Result<Self> {
        let mut cursor = Self {
            folder: folder.to_owned(),
            number: 0,
            file: None,
            begun: Vec::new(),
            skipping: false,
        };
        for number in numbers_in(folder)? {
            if !is_before(folder, number, since) {
                cursor.number = number;
                cursor.file = file(folder, number)?;
                break;
            }
        }
        Ok(cursor)
    }

    /// The end as it is now, after the last whole line. Nothing before it is read, however much
    /// there is: somebody looks on while requests are served.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn at_the_end(folder: &Path) -> io::Result<Self> {
        let Some(newest) = numbers_in(folder)?.pop() else {
            return Self::open(folder, None);
        };
        let mut cursor = Self::of_file(folder, newest)?;
        if let Some(file) = &mut cursor.file {
            let end = file.seek(SeekFrom::End(0))?;
            let from = end.saturating_sub(CHUNK_BYTES as u64);
            file.seek(SeekFrom::Start(from))?;
            let mut last = Vec::new();
            file.by_ref().take(end - from).read_to_end(&mut last)?;
            let whole = last.iter().rposition(|&byte| byte == b'\n');
            // Of a line longer than that the rest will be no document, and is skipped as such.
            let whole = whole.map_or(0, |at| at as u64 + 1);
            file.seek(SeekFrom::Start(from + whole))?;
        }
        Ok(cursor)
    }

    /// The beginning of one file.
    pub(super) fn of_file(folder: &Path, number: u64) -> io::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            number,
            file: file(folder, number)?,
            begun: Vec::new(),
            skipping: false,
        })
    }

    /// The next line of the file at hand.
    pub(super) fn next_here(&mut self) -> io::Result<Option<String>> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let line = loop {
            let room = MAX_LINE_BYTES.saturating_sub(self.begun.len());
            let mut some = file.by_ref().take(room as u64);
            some.read_until(b'\n', &mut self.begun)?;
            let whole = self.begun.ends_with(b"\n");
            if whole && !std::mem::take(&mut self.skipping) {
                break std::mem::take(&mut self.begun);
            }
            if !whole && self.begun.len() < MAX_LINE_BYTES {
                return Ok(None);
            }
            // No document of ours: it is skipped to its end.
            self.skipping = !whole;
            self.begun.clear();
        };
        Ok(Some(match String::from_utf8(line) {
            Ok(line) => line,
            Err(torn) => String::from_utf8_lossy(torn.as_bytes()).into_owned(),
        }))
    }

    /// The next line, with its line feed; none when there is no more for now.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<String>> {
        let mut follower = None;
        loop {
            if let Some(line) = self.next_here()? {
                return Ok(Some(line));
            }
            let Some(next) = follower.take() else {
                follower = self.follower()?;
                if follower.is_none() {
                    return Ok(None);
                }
                // The segment was ended before another was begun: read to that end.
                continue;
            };
            // The writer of a line without an end writes no more.
            self.begun.clear();
            self.skipping = false;
            self.number = next;
            self.file = file(&self.folder, next)?;
        }
    }

    /// The number of the file after this one.
    fn follower(&self) -> io::Result<Option<u64>> {
        let numbers = numbers_in(&self.folder)?;
        Ok(numbers.into_iter().find(|&number| number > self.number))
    }
}

/// Returns whether a file was written to for the last time before a moment. `false` for one that is
/// gone by now, which is skipped when it is read.
pub(super) fn is_before(folder: &Path, number: u64, moment: Option<Timestamp>) -> bool {
    let changed = path(folder, number).modified();
    let changed = changed.ok().and_then(|at| Timestamp::try_from(at).ok());
    let (Some(moment), Some(changed)) = (moment, changed) else {
        return false;
    };
    changed < moment
}

/// Returns the numbers of the files, the oldest first; an empty list if there is no folder.
pub(super) fn numbers_in(folder: &Path) -> io::Result<Vec<u64>> {
    match numbers(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

fn file(folder: &Path, number: u64) -> io::Result<Option<BufReader<File>>> {
    match path(folder, number).open() {
        Ok(file) => Ok(Some(BufReader::with_capacity(CHUNK_BYTES, file))),
        // The oldest go when there are too many.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn an_overlong_line_is_skipped_in_bounded_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut cursor = Cursor::open(folder.path(), None).unwrap();
        let mut log = path(folder.path(), 7).create_new().unwrap();
        let long = "x".repeat(MAX_LINE_BYTES);
        write!(log, "first\n{long}{long}").unwrap();
        assert_eq!(cursor.next_line().unwrap().as_deref(), Some("first\n"));
        assert_eq!(cursor.next_line().unwrap(), None);
        assert!(cursor.begun.len() < MAX_LINE_BYTES);
        write!(log, "{long}\nlast\n").unwrap();
        assert_eq!(cursor.next_line().unwrap().as_deref(), Some("last\n"));
    }

    #[test]
    fn a_cursor_at_the_end_starts_after_the_last_complete_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut empty = Cursor::at_the_end(folder.path()).unwrap();
        assert_eq!(empty.next_line().unwrap(), None);
        let mut log = path(folder.path(), 7).create_new().unwrap();
        let long = "long ".repeat(CHUNK_BYTES / 4);
        write!(log, "{long}\nfirst\nsec").unwrap();
        let mut end = Cursor::at_the_end(folder.path()).unwrap();
        assert_eq!(end.next_line().unwrap(), None);
        writeln!(log, "ond").unwrap();
        assert_eq!(end.next_line().unwrap().as_deref(), Some("second\n"));
        // A reader that opened before there was a log sees all of it.
        assert_eq!(empty.next_line().unwrap(), Some(format!("{long}\n")));
    }
}
