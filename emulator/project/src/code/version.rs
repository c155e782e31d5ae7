//! Folders that hold one version each.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use fnlocal_core::CodeHash;
use fnlocal_files::OwnPath;

use super::scan::{Content, Scanned};

/// The beginning of the names of unfinished folders.
const UNFINISHED: &str = ".new-";
/// The rights of a folder that an instance reads, in a container as another user.
pub(super) const READABLE: u32 = 0o755;

/// A version that has no name yet, and may still change.
#[derive(Debug)]
pub(super) struct Ahead {
    folder: OwnPath,
    files: BTreeMap<Arc<str>, Content>,
}

impl Ahead {
    /// Makes one of `files` from their blobs.
    pub fn make(versions: &OwnPath, blobs: &OwnPath, files: &Scanned) -> io::Result<Self> {
        let folder = (0..)
            .map(|number: u32| versions.join(format!("{UNFINISHED}{number}")))
            .find(|folder| folder.metadata().is_err())
            .unwrap_or_else(|| versions.join(UNFINISHED));
        folder.make_one_folder(READABLE)?;
        let mut ahead = Self {
            folder,
            files: BTreeMap::new(),
        };
        ahead.change_into(blobs, files)?;
        Ok(ahead)
    }

    /// Makes it hold `files` and nothing else.
    pub fn change_into(&mut self, blobs: &OwnPath, files: &Scanned) -> io::Result<()> {
        let wanted: BTreeMap<&Arc<str>, Content> = files.contents().collect();
        let stale: Vec<Arc<str>> = self
            .files
            .iter()
            .filter(|(path, content)| wanted.get(path) != Some(content))
            .map(|(path, _)| Arc::clone(path))
            .collect();
        for path in stale {
            self.remove(&path)?;
        }
        let mut made: BTreeSet<&str> = BTreeSet::new();
        for (path, content) in wanted {
            if self.files.contains_key(path) {
                continue;
            }
            if let Some((folder, _)) = path.rsplit_once('/')
                && made.insert(folder)
            {
                make_folders(&self.folder, folder)?;
            }
            link(&blobs.join(content.blob()), &self.folder.join(&**path))?;
            self.files.insert(Arc::clone(path), content);
        }
        Ok(())
    }

    /// Gives it its name.
    pub fn become_version(self, path: &OwnPath) -> io::Result<()> {
        match self.folder.rename(path) {
            Err(_) if path.is_folder() => self.folder.remove_all(),
            result => result,
        }
    }

    fn remove(&mut self, path: &Arc<str>) -> io::Result<()> {
        self.folder.join(&**path).remove()?;
        self.files.remove(path);
        let mut folder = Path::new(&**path).parent();
        // Folders that are now empty; the first that is not ends it.
        while let Some(name) = folder.filter(|name| !name.as_os_str().is_empty()) {
            if self.folder.join(name).remove_folder().is_err() {
                break;
            }
            folder = name.parent();
        }
        Ok(())
    }
}

/// Links `to` to a blob, or copies it where the file system has no more links to give.
fn link(blob: &OwnPath, to: &OwnPath) -> io::Result<()> {
    match blob.hard_link(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => copy(blob, to),
        linked => linked,
    }
}

fn copy(blob: &OwnPath, to: &OwnPath) -> io::Result<()> {
    let mut from = blob.open()?;
    let mode = from.metadata()?.permissions().mode() & 0o777;
    io::copy(&mut from, &mut to.create_new_with_mode(mode)?).map(drop)
}

fn make_folders(base: &OwnPath, relative: &str) -> io::Result<()> {
    let mut folder = base.clone();
    for part in relative.split('/') {
        folder = folder.join(part);
        folder.make_one_folder(READABLE)?;
    }
    Ok(())
}

/// Removes all versions, and folders a crash left unfinished.
pub(super) fn remove_all(versions: &OwnPath) -> io::Result<()> {
    for name in names(versions)? {
        if name.starts_with(UNFINISHED) || version(&name).is_some() {
            versions.join(name).remove_all()?;
        }
    }
    Ok(())
}

/// Removes versions that are not to be kept.
pub(super) fn prune(versions: &OwnPath, keep: impl Fn(CodeHash) -> bool) -> io::Result<()> {
    for name in names(versions)? {
        if version(&name).is_some_and(|hash| !keep(hash)) {
            versions.join(name).remove_all()?;
        }
    }
    Ok(())
}

/// The version whose folder has this name.
fn version(name: &str) -> Option<CodeHash> {
    let hash = (name.len() == 16).then(|| u64::from_str_radix(name, 16).ok());
    hash.flatten().map(CodeHash)
}

fn names(folder: &OwnPath) -> io::Result<Vec<String>> {
    let names = folder.names()?.into_iter();
    Ok(names.filter_map(|name| name.into_string().ok()).collect())
}
