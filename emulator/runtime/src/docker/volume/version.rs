//! A version of code as a tar.

use std::fs::Metadata;
use std::io::{self, Write};
use std::path::Path;

use fnlocal_engine::tarball::Tarball;
use fnlocal_project::open_within;

/// Writes a version's folder, under its own name. Files shared with `near`, a version beside it
/// that is there already, are written as links.
pub(super) fn write(out: impl Write, version: &Path, near: Option<&Path>) -> io::Result<()> {
    let mut tar = Tarball::new(out);
    let mut writer = VersionWriter {
        tar: &mut tar,
        version,
        near,
    };
    let name = name(version)?;
    writer.folder(version, name)?;
    tar.finish().map(drop)
}

struct VersionWriter<'a, W: Write> {
    tar: &'a mut Tarball<W>,
    version: &'a Path,
    near: Option<&'a Path>,
}

impl<W: Write> VersionWriter<'_, W> {
    fn folder(&mut self, folder: &Path, at: &str) -> io::Result<()> {
        self.tar.folder(at, 0o755)?;
        let entries: io::Result<Vec<_>> = std::fs::read_dir(folder)?.collect();
        let mut entries = entries?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let at = format!("{at}/{}", name(&path)?);
            if entry.file_type()?.is_dir() {
                self.folder(&path, &at)?;
            } else {
                let below = path.strip_prefix(self.version);
                self.file(below.map_err(io::Error::other)?, &at)?;
            }
        }
        Ok(())
    }

    /// A version holds files and folders; a link is an error.
    fn file(&mut self, below: &Path, at: &str) -> io::Result<()> {
        let file = open_within(self.version, below)?;
        let metadata = file.metadata()?;
        let mode = if executable(&metadata) { 0o755 } else { 0o644 };
        match self.there(below, &metadata) {
            Some(there) => self.tar.same_file(at, mode, &there),
            None => self.tar.file(at, mode, metadata.len(), file),
        }
    }

    /// The same file's name in the version beside. Contents are kept once: what has not changed is
    /// the same file on the disk.
    fn there(&self, below: &Path, metadata: &Metadata) -> Option<String> {
        let near = self.near?;
        let there = std::fs::symlink_metadata(near.join(below)).ok()?;
        let name = near.file_name()?.display();
        same(metadata, &there).then(|| format!("{name}/{}", below.display()))
    }
}

fn name(path: &Path) -> io::Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.ok_or_else(|| io::Error::other(format!("{} has no name of text", path.display())))
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_unchanged_since_the_previous_version_are_linked_and_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        for version in [&old, &new] {
            std::fs::create_dir_all(version.join("lib")).unwrap();
        }
        std::fs::write(old.join("lib/same.js"), "same").unwrap();
        std::fs::hard_link(old.join("lib/same.js"), new.join("lib/same.js")).unwrap();
        std::fs::write(old.join("index.js"), "old").unwrap();
        std::fs::write(new.join("index.js"), "new").unwrap();
        let entries = |near| {
            let mut bytes = Vec::new();
            write(&mut bytes, &new, near).unwrap();
            let mut tar = tar::Archive::new(bytes.as_slice());
            let entries = tar.entries().unwrap().map(|entry| {
                let entry = entry.unwrap();
                let to = entry.link_name().unwrap();
                (
                    entry.path().unwrap().display().to_string(),
                    to.map(|to| to.display().to_string()),
                )
            });
            entries.collect::<Vec<_>>()
        };
        let plain = |path: &str| (path.to_owned(), None);
        let first = [plain("new/"), plain("new/index.js"), plain("new/lib/")];
        let whole = [&first[..], &[plain("new/lib/same.js")]].concat();
        assert_eq!(entries(None), whole);
        let linked = (
            "new/lib/same.js".to_owned(),
            Some("old/lib/same.js".to_owned()),
        );
        assert_eq!(entries(Some(&old)), [&first[..], &[linked]].concat());
    }
}
