//! Files that a project brings along. Links to them are followed, since people share files so; but a
//! link to a device or a pipe would never end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// The largest file of settings, variables or locked dependencies that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Reads a plain file of at most 64 MiB whole, at a link's end if it is one.
///
/// # Errors
/// `NotFound`; `InvalidInput` if it is no plain file or larger.
pub fn read_given(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let refused = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
    if !file.metadata()?.is_file() {
        return Err(refused("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refused("it is larger than 64 MiB"));
    }
    Ok(bytes)
}

/// The same for a file of text.
///
/// # Errors
/// As [`read_given`]; `InvalidData` if it is not UTF-8.
pub fn read_given_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_given(path)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_file_is_read_and_one_to_a_device_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "A=1").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read_given_text(&link).unwrap(), "A=1");
        let device = folder.path().join("device");
        std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
        let error = read_given(&device).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(read_given(folder.path()).is_err());
    }
}
