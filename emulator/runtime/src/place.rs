//! Folders for sockets: one per run, in it one per instance.
//!
//! The run's folder is closed to other users of the machine. An instance's folder inside it can be
//! read, and not written to, by any user id, because an instance in a container has another one.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fnlocal_files::OwnPath;

use fnlocal_engine::identity::own_id;

use super::leftovers::{self, Alive};

/// A unix socket's path must fit into `sockaddr_un`: 104 bytes on macOS, 108 on Linux.
const LONGEST_SOCKET: usize = 100;
/// Longest `/<run>/<instance>/s` we make, for choosing a base.
const LONGEST_TAIL: usize = 40;
/// The socket's name in its folder.
pub const SOCKET: &str = "s";

/// The folder of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder {
    run: PathBuf,
    _alive: Alive,
}

impl RunFolder {
    /// Makes the folder of `run` under `base`.
    pub(crate) fn new(base: &Path, run: &str) -> io::Result<Self> {
        let alive = leftovers::begin(base, run)?;
        Ok(Self {
            run: base.join(run),
            _alive: alive,
        })
    }

    /// The run's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.run
    }

    /// The run's name.
    pub(crate) fn run(&self) -> &str {
        let name = self.run.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    /// Makes a folder in the run's that is closed to other users.
    pub(crate) fn private(&self, name: &str) -> io::Result<PathBuf> {
        let folder = OwnPath::new(&self.run).join(name);
        folder.make_folder()?;
        Ok(folder.path().to_owned())
    }

    /// Makes a folder for one instance.
    pub(crate) fn instance(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.run.join(name);
        if folder.as_os_str().len() + 1 + SOCKET.len() > LONGEST_SOCKET {
            let why = format!("{} is too long for a socket", folder.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        fs::create_dir(&folder)?;
        readable_by_all(&folder)?;
        Ok(folder)
    }

    /// Removes the run's folder and everything in it.
    pub(crate) fn remove(&self) {
        let _ = OwnPath::new(&self.run).remove_all();
    }
}

/// Where runs keep their folders: `$XDG_RUNTIME_DIR/fnlocal` where that is short enough, else
/// `/tmp/fnlocal-<uid>`.
pub(crate) fn default_base() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match runtime {
        Some(dir) if dir.is_dir() && dir.as_os_str().len() + LONGEST_TAIL < LONGEST_SOCKET => {
            dir.join("fnlocal")
        }
        _ => PathBuf::from(format!("/tmp/fnlocal-{}", own_id())),
    }
}

/// Where runs keep their instances' temporary files: on the disk that the user's own are on, which
/// `$XDG_RUNTIME_DIR` is not.
pub(crate) fn temporary_base() -> PathBuf {
    std::env::temp_dir().join(format!("fnlocal-{}", own_id()))
}

fn readable_by_all(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_folder_is_private_and_an_instance_folder_is_readable() {
        use std::os::unix::fs::MetadataExt;
        let base = tempfile::tempdir().unwrap();
        let place = RunFolder::new(&base.path().join("b"), "r1").unwrap();
        let folder = place.instance("i1").unwrap();
        assert_eq!(fs::metadata(&place.run).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o755);
        place.remove();
        assert!(!place.run.exists());
    }

    #[test]
    fn an_instance_folder_too_long_for_a_socket_path_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let place = RunFolder::new(&base.path().join("b"), "r1").unwrap();
        assert!(place.instance(&"x".repeat(100)).is_err());
    }
}
