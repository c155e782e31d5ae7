//! The files a log is kept in: numbered, of bounded size, together of bounded size and age.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fnlocal_files::OwnPath;

use super::JournalLimits;

const SUFFIX: &str = ".jsonl";
/// A file is at most this part of all: so much is lost when the oldest goes.
const PARTS: u64 = 8;

/// Writes lines into files, the newest of which has the highest number.
pub(super) struct Segments {
    folder: PathBuf,
    bounds: JournalLimits,
    number: u64,
    file: Option<BufWriter<File>>,
    size: u64,
    begun: SystemTime,
}

impl Segments {
    /// Begins after what is there. No file is made before there is a line for it.
    pub fn open(folder: &Path, bounds: JournalLimits) -> io::Result<Self> {
        OwnPath::new(folder).make_folder()?;
        let number = numbers(folder)?.last().copied().unwrap_or(0);
        let segments = Self {
            folder: folder.to_owned(),
            bounds,
            number,
            file: None,
            size: 0,
            begun: SystemTime::now(),
        };
        segments.forget_old()?;
        Ok(segments)
    }

    /// Adds a line, which ends in a line feed.
    pub fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_full(line.len() as u64) {
            self.close()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.begin()?,
        };
        file.write_all(line)?;
        self.size += line.len() as u64;
        Ok(())
    }

    /// Lets readers see all that was written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }

    /// Ends the file at hand, whose end may be broken.
    pub fn abandon(&mut self) {
        self.file = None;
    }

    fn is_full(&self, more: u64) -> bool {
        let most = self.bounds.size / PARTS;
        // So that what is too old can go, however little is written.
        let age = self.begun.elapsed().unwrap_or_default();
        self.file.is_some()
            && ((self.size > 0 && self.size + more > most) || age > self.bounds.age / PARTS as u32)
    }

    fn close(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file = None;
        Ok(())
    }

    fn begin(&mut self) -> io::Result<&mut BufWriter<File>> {
        self.forget_old()?;
        self.number += 1;
        let path = path(&self.folder, self.number);
        let file = path.create_new_to_append()?;
        self.size = 0;
        self.begun = SystemTime::now();
        Ok(self.file.insert(BufWriter::with_capacity(64 * 1024, file)))
    }

    /// Removes what is too old, and the oldest until another file has room.
    fn forget_old(&self) -> io::Result<()> {
        let room = self.bounds.size - self.bounds.size / PARTS;
        let mut all = 0;
        for number in numbers(&self.folder)?.into_iter().rev() {
            let path = path(&self.folder, number);
            all += path.metadata()?.len;
            let age = path.modified()?.elapsed().unwrap_or_default();
            if all > room || age > self.bounds.age {
                path.remove()?;
            }
        }
        Ok(())
    }
}

/// The numbers of the files there are, the oldest first.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for name in OwnPath::new(folder).names()? {
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The file of a number.
pub(super) fn path(folder: &Path, number: u64) -> OwnPath {
    OwnPath::new(folder).join(format!("{number:08}{SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bounds(size: u64) -> JournalLimits {
        JournalLimits {
            size,
            age: Duration::from_secs(3600),
        }
    }

    #[test]
    fn the_oldest_lines_are_removed_at_the_size_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = Segments::open(folder.path(), bounds(8_000)).unwrap();
        for number in 0..1000 {
            segments
                .write(format!("{number:>19}\n").as_bytes())
                .unwrap();
        }
        segments.flush().unwrap();
        let numbers = numbers(folder.path()).unwrap();
        let sizes = numbers
            .iter()
            .map(|&number| path(folder.path(), number).metadata().unwrap().len);
        let all: u64 = sizes.sum();
        assert!((6_000..=8_000).contains(&all), "{all}");
        let last = path(folder.path(), *numbers.last().unwrap())
            .read_to_string()
            .unwrap();
        assert!(last.ends_with("999\n"));
    }

    #[test]
    fn log_files_over_the_age_limit_are_removed_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let old = path(folder.path(), 3);
        old.write(b"old\n").unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(7200);
        old.open_to_write().unwrap().set_modified(long_ago).unwrap();
        let mut segments = Segments::open(folder.path(), bounds(8_000)).unwrap();
        segments.write(b"new\n").unwrap();
        segments.flush().unwrap();
        assert_eq!(numbers(folder.path()).unwrap(), [4]);
    }
}
