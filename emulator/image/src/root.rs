//! A file system as a tar: sorted, with fixed times and owners, so that the same files give the
//! same bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fnlocal_engine::tarball::{TarTally, Tarball};
use fnlocal_project::LinkFree;

/// The future contents of a tar.
#[derive(Debug, Default)]
pub struct Root {
    entries: BTreeMap<String, RootEntry>,
    owner: (u32, u32),
}

#[derive(Debug)]
enum RootEntry {
    Folder(u32),
    File(PathBuf, u32),
    Own(LinkFree, u32),
    Text(Vec<u8>, u32),
    Link(String),
}

impl Root {
    /// An empty one whose files will belong to a user and a group; without this they are root's.
    pub fn owned_by(owner: (u32, u32)) -> Self {
        Self {
            owner,
            ..Self::default()
        }
    }

    pub fn folder(&mut self, at: &str, mode: u32) {
        self.put(at, RootEntry::Folder(mode));
    }

    /// A copy of what `from` is or leads to.
    pub fn file(&mut self, at: &str, from: &Path, mode: u32) {
        self.put(at, RootEntry::File(from.to_owned(), mode));
    }

    /// A copy of a file of the project.
    pub fn own_file(&mut self, at: &str, from: LinkFree, mode: u32) {
        self.put(at, RootEntry::Own(from, mode));
    }

    pub fn text(&mut self, at: &str, text: impl Into<Vec<u8>>, mode: u32) {
        self.put(at, RootEntry::Text(text.into(), mode));
    }

    pub fn link(&mut self, at: &str, to: &str) {
        self.put(at, RootEntry::Link(to.to_owned()));
    }

    /// A folder's files, except for the sub-folders named in `without` at its top.
    pub fn tree(&mut self, at: &str, from: &Path, without: &[&str]) -> io::Result<()> {
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !without.contains(name)) else {
                continue;
            };
            let at = format!("{at}/{name}");
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                let to = std::fs::read_link(entry.path())?;
                self.link(&at, &to.to_string_lossy());
            } else if kind.is_dir() {
                self.tree(&at, &entry.path(), &[])?;
            } else if kind.is_file() {
                let mode = if executable(&entry.path())? {
                    0o755
                } else {
                    0o644
                };
                self.file(&at, &entry.path(), mode);
            }
        }
        Ok(())
    }

    fn put(&mut self, at: &str, entry: RootEntry) {
        let path = at.trim_start_matches('/');
        for (end, _) in path.match_indices('/') {
            self.entries
                .entry(path[..end].to_owned())
                .or_insert(RootEntry::Folder(0o755));
        }
        self.entries.insert(path.to_owned(), entry);
    }

    pub fn write(&self, out: impl Write) -> io::Result<TarTally> {
        let mut tar = Tarball::new(out).owned_by(self.owner);
        for (path, entry) in &self.entries {
            match entry {
                RootEntry::Folder(mode) => tar.folder(path, *mode)?,
                RootEntry::File(from, mode) => {
                    let file = File::open(from).map_err(|error| named(from, &error))?;
                    let size = file.metadata()?.len();
                    tar.file(path, *mode, size, file)?;
                }
                RootEntry::Own(from, mode) => {
                    let file = from.open().map_err(|error| named(&from.path(), &error))?;
                    let size = file.metadata()?.len();
                    tar.file(path, *mode, size, file)?;
                }
                RootEntry::Text(text, mode) => {
                    tar.file(path, *mode, text.len() as u64, text.as_slice())?;
                }
                RootEntry::Link(to) => tar.link(path, to)?,
            }
        }
        tar.finish()
    }

    /// The tar in memory, for small ones.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        Ok(bytes)
    }
}

/// An input's error, told from those of the output.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn executable(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(path.metadata()?.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_root_do_not_depend_on_the_order_of_its_files() {
        let (mut one, mut two) = (Root::default(), Root::default());
        one.text("/b/x", "1", 0o644);
        one.link("/a", "b/x");
        two.link("/a", "b/x");
        two.text("/b/x", "1", 0o644);
        assert_eq!(one.bytes().unwrap(), two.bytes().unwrap());
    }
}
