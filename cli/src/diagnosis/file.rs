//! The file of the diagnosis, `.fnlocal/logs/diagnosis.log`: bounded, rotated, shared by the commands
//! that run at the same time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fnlocal_files::{OwnPath, STATE_DIR};
use fnlocal_project::{CONFIG_FILE, StateDir};

/// Where it is, below the project.
pub const FOLDER: &str = ".fnlocal/logs";
/// The maximum size of one file in bytes.
const MAX_FILE_BYTES: u64 = 2 << 20;
/// How many files there are, with the one that is written.
const FILES: u32 = 4;

/// The files, of which the newest is written to.
pub struct RotatingFile {
    folder: OwnPath,
    file: File,
}

impl RotatingFile {
    /// Opens the file of the project at or above `folder`; makes it, with mode 0600, if it is not
    /// there. Follows no link below the project.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let folder = StateDir::make(&project(folder))?.join("logs");
        folder.make_folder()?;
        let file = numbered(&folder, 0).open_or_create_to_append()?;
        Ok(Self { folder, file })
    }

    /// Adds a line, and begins another file when this one is full.
    pub fn write(&mut self, line: &[u8]) -> io::Result<()> {
        // Other processes write to it, too.
        if self.file.metadata()?.len() + line.len() as u64 > MAX_FILE_BYTES {
            self.rotate()?;
        }
        self.file.write_all(line)
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (0..FILES - 1).rev() {
            let renamed =
                numbered(&self.folder, number).rename(&numbered(&self.folder, number + 1));
            match renamed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = numbered(&self.folder, 0).open_or_create_to_append()?;
        Ok(())
    }
}

/// Returns the last lines that were written, the oldest first, up to a number of bytes.
pub fn last(state: &OwnPath, bytes: u64) -> Vec<String> {
    let folder = state.join("logs");
    let (mut parts, mut room) = (Vec::new(), bytes);
    for number in 0..FILES {
        let Ok(mut file) = numbered(&folder, number).open() else {
            break;
        };
        let size = file.metadata().map_or(0, |known| known.len());
        let from = size.saturating_sub(room);
        let mut part = Vec::new();
        let read = file
            .seek(SeekFrom::Start(from))
            .and_then(|_| file.take(room).read_to_end(&mut part));
        if read.is_err() {
            break;
        }
        // A line that begins before is not whole.
        let whole = part.iter().position(|&byte| from > 0 && byte == b'\n');
        parts.push(part.split_off(whole.map_or(0, |at| at + 1)));
        room = room.saturating_sub(size);
        if room == 0 {
            break;
        }
    }
    parts.reverse();
    let text = String::from_utf8_lossy(&parts.concat()).into_owned();
    text.lines().map(str::to_owned).collect()
}

fn numbered(folder: &OwnPath, number: u32) -> OwnPath {
    folder.join(match number {
        0 => "diagnosis.log".to_owned(),
        number => format!("diagnosis.{number}.log"),
    })
}

/// Returns the folder of the project that a command is about: the nearest with a state or a
/// configuration, else the folder itself.
pub fn project(folder: &Path) -> PathBuf {
    let found = std::fs::canonicalize(folder).or_else(|_| std::fs::canonicalize("."));
    let found = found.unwrap_or_else(|_| PathBuf::from("."));
    let start = match found.parent() {
        Some(parent) if found.is_file() => parent.to_owned(),
        _ => found,
    };
    let is_project =
        |above: &&Path| above.join(STATE_DIR).is_dir() || above.join(CONFIG_FILE).is_file();
    let nearest = start.ancestors().find(is_project).map(Path::to_owned);
    nearest.unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_diagnosis_log_is_private_and_bounded_and_returns_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::open(folder.path()).unwrap();
        let mut other = RotatingFile::open(folder.path()).unwrap();
        let filler = "x".repeat(1000);
        for number in 0..12_000 {
            let to = if number % 3 == 0 {
                &mut other
            } else {
                &mut file
            };
            to.write(format!("{number} {filler}\n").as_bytes()).unwrap();
        }
        let logs = folder.path().join(FOLDER);
        let mut all = 0;
        for entry in std::fs::read_dir(&logs).unwrap() {
            let known = entry.unwrap().metadata().unwrap();
            assert_eq!(known.permissions().mode() & 0o777, 0o600);
            assert!(known.len() <= MAX_FILE_BYTES, "{}", known.len());
            all += known.len();
        }
        assert!(all <= MAX_FILE_BYTES * u64::from(FILES), "{all}");
        let mode = std::fs::metadata(&logs).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let state = OwnPath::new(&folder.path().join(STATE_DIR));
        let lines = last(&state, 5000);
        assert!((3..5).contains(&lines.len()), "{}", lines.len());
        assert!(lines.iter().all(|line| line.ends_with(&filler)));
        assert!(lines.iter().any(|line| line.starts_with("11999 ")));
        assert!(last(&state, 3 << 20).len() > 2000, "of more than one file");
    }

    #[test]
    fn a_symlink_in_place_of_the_diagnosis_log_is_refused_and_its_target_is_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        std::fs::write(&outside, "as it was").unwrap();
        let logs = folder.path().join(FOLDER);
        std::fs::create_dir_all(&logs).unwrap();
        std::os::unix::fs::symlink(&outside, logs.join("diagnosis.log")).unwrap();
        let error = RotatingFile::open(folder.path()).err().unwrap();
        assert!(fnlocal_files::hint(&error).is_some(), "{error}");
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "as it was");
    }
}
