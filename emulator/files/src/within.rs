//! Opening files of a folder that somebody else may have written: nothing outside of it is reached,
//! and nothing but a file is read.
//!
//! The target of a path is found first, through all links. That target is then opened, one
//! component after the other and without following a link: one that was put there in between is an
//! error. So is a pipe or a device, which could be read without end.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Bytes of a file that is read as a whole: settings, manifests, lock files.
const MAX_BYTES: u64 = 64 << 20;

/// A file below a folder, by its path without links.
#[derive(Clone, Debug)]
pub struct LinkFree {
    folder: Arc<Path>,
    relative: PathBuf,
}

impl LinkFree {
    /// `real` is where the file is, without links.
    pub fn new(folder: &Arc<Path>, real: &Path) -> io::Result<Self> {
        Ok(Self {
            relative: below(folder, real)?.to_owned(),
            folder: Arc::clone(folder),
        })
    }

    /// Opens it; see [`open_within`].
    pub fn open(&self) -> io::Result<File> {
        open_within(&self.folder, &self.relative)
    }

    /// Its path, for people.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.relative)
    }
}

/// Opens a file below a folder for reading. No link is followed, but in the path of the folder
/// itself.
///
/// # Errors
/// A component is a link, or the last is no file.
pub fn open_within(folder: &Path, relative: &Path) -> io::Result<File> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if relative.as_os_str().is_empty() || !relative.components().all(plain) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let file = open(folder, relative)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a file"))
    }
}

/// Reads a file whose path may lead through links, as long as they stay inside of a folder.
///
/// # Errors
/// Fails if the path lies outside, is no file, or holds more than 64 MiB.
pub fn read_inside(folder: &Path, path: &Path) -> io::Result<Vec<u8>> {
    let folder = folder.canonicalize()?;
    let real = path.canonicalize()?;
    let file = open_within(&folder, below(&folder, &real)?)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let why = format!("it holds more than {} MiB", MAX_BYTES >> 20);
        return Err(io::Error::other(why));
    }
    Ok(bytes)
}

/// The same as text, without a byte order mark.
///
/// # Errors
/// As [`read_inside`], and if it is not UTF-8; the error names what it is.
pub fn read_text_inside(folder: &Path, path: &Path) -> io::Result<String> {
    crate::decode(read_inside(folder, path)?)
}

fn below<'a>(folder: &Path, real: &'a Path) -> io::Result<&'a Path> {
    real.strip_prefix(folder).map_err(|_| {
        let (real, folder) = (real.display(), folder.display());
        io::Error::other(format!("it leads to {real}, which is outside of {folder}"))
    })
}

fn open(folder: &Path, relative: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let close = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut at = openat(CWD, folder, close | OFlags::DIRECTORY, Mode::empty())?;
    let mut parts = relative.components().peekable();
    while let Some(part) = parts.next() {
        let kind = match parts.peek() {
            Some(_) => OFlags::DIRECTORY,
            // A pipe would wait for a writer.
            None => OFlags::NONBLOCK | OFlags::NOCTTY,
        };
        let flags = close | OFlags::NOFOLLOW | kind;
        at = openat(&at, part.as_os_str(), flags, Mode::empty())?;
    }
    Ok(at.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder `in` with a file and a folder, and a secret beside it.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().canonicalize().unwrap().join("in");
        std::fs::create_dir_all(inner.join("a/b")).unwrap();
        std::fs::write(inner.join("a/file"), "inside").unwrap();
        std::fs::write(folder.path().join("secret"), "outside").unwrap();
        (folder, inner)
    }

    #[test]
    fn symlinks_are_followed_only_while_they_stay_inside_the_folder() {
        let (outer, inner) = folder();
        symlink("a/file", inner.join("near")).unwrap();
        symlink(inner.join("a"), inner.join("absolute")).unwrap();
        // Each stays inside by its text; one after the other they lead out.
        symlink("a/b", inner.join("deep")).unwrap();
        symlink("deep/../../../secret", inner.join("chained")).unwrap();
        symlink("..", inner.join("up")).unwrap();
        symlink(outer.path().join("secret"), inner.join("far")).unwrap();
        symlink("loop", inner.join("loop")).unwrap();
        let read = |path: &str| read_inside(&inner, &inner.join(path));
        for path in ["a/file", "near", "absolute/file"] {
            assert_eq!(read(path).unwrap(), b"inside", "{path}");
        }
        for path in ["chained", "up/secret", "far", "../secret"] {
            let error = read(path).unwrap_err().to_string();
            assert!(error.contains("is outside of"), "{path}: {error}");
        }
        assert!(read("loop").is_err());
    }

    #[test]
    fn open_within_follows_no_symlink() {
        let (_outer, inner) = folder();
        symlink("a", inner.join("folder")).unwrap();
        symlink("a/file", inner.join("file")).unwrap();
        for path in ["folder/file", "file", "a/../a/file", "/etc/passwd", ""] {
            assert!(open_within(&inner, Path::new(path)).is_err(), "{path}");
        }
        assert!(open_within(&inner, Path::new("a/file")).is_ok());
    }

    #[test]
    fn reading_a_pipe_or_device_fails_without_blocking() {
        let (_outer, inner) = folder();
        let pipe = inner.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert!(read_inside(&inner, &pipe).is_err());
        assert!(read_inside(Path::new("/dev"), Path::new("/dev/zero")).is_err());
        assert!(open_within(&inner, Path::new("a")).is_err());
    }
}
