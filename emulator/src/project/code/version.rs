//! Folders that hold one version each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fnlocal_core::CodeHash;

use super::scan::{Content, Scanned};

/// What folders that are being made begin with.
const UNFINISHED: &str = ".new-";

/// A version that has no name yet, and may still change.
#[derive(Debug)]
pub(super) struct Ahead {
    folder: PathBuf,
    files: BTreeMap<Arc<str>, Content>,
}

impl Ahead {
    /// Makes one of `files` from their blobs.
    pub fn make(versions: &Path, blobs: &Path, files: &Scanned) -> io::Result<Self> {
        let folder = (0..)
            .map(|number: u32| versions.join(format!("{UNFINISHED}{number}")))
            .find(|folder| !folder.exists())
            .unwrap_or_else(|| versions.join(UNFINISHED));
        make_folder(&folder)?;
        let mut ahead = Self {
            folder,
            files: BTreeMap::new(),
        };
        ahead.change_into(blobs, files)?;
        Ok(ahead)
    }

    /// Makes it hold `files` and nothing else.
    pub fn change_into(&mut self, blobs: &Path, files: &Scanned) -> io::Result<()> {
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
    pub fn become_version(self, path: &Path) -> io::Result<()> {
        match fs::rename(&self.folder, path) {
            Err(_) if path.is_dir() => fs::remove_dir_all(&self.folder),
            result => result,
        }
    }

    fn remove(&mut self, path: &Arc<str>) -> io::Result<()> {
        fs::remove_file(self.folder.join(&**path))?;
        self.files.remove(path);
        let mut folder = Path::new(&**path).parent();
        // Folders that are now empty; the first that is not ends it.
        while let Some(name) = folder.filter(|name| !name.as_os_str().is_empty()) {
            if fs::remove_dir(self.folder.join(name)).is_err() {
                break;
            }
            folder = name.parent();
        }
        Ok(())
    }
}

/// Links `to` to a blob, or copies it where the file system has no more links to give.
fn link(blob: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(blob, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => fs::copy(blob, to).map(drop),
        linked => linked,
    }
}

/// Makes a folder that every user may read, and those above.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn make_folders(base: &Path, relative: &str) -> io::Result<()> {
    let mut path = base.to_owned();
    for part in relative.split('/') {
        path.push(part);
        match fs::create_dir(&path) {
            Ok(()) => fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes folders a crash left unfinished.
pub(super) fn remove_leftovers(versions: &Path) -> io::Result<()> {
    for (name, path) in names(versions)? {
        if name.starts_with(UNFINISHED) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// Removes versions that are not to be kept.
pub(super) fn prune(versions: &Path, keep: impl Fn(CodeHash) -> bool) -> io::Result<()> {
    for (name, path) in names(versions)? {
        let hash = (name.len() == 16)
            .then(|| u64::from_str_radix(&name, 16).ok())
            .flatten();
        if hash.is_some_and(|hash| !keep(CodeHash(hash))) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn names(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        names.extend(
            entry
                .file_name()
                .into_string()
                .ok()
                .map(|name| (name, entry.path())),
        );
    }
    Ok(names)
}
