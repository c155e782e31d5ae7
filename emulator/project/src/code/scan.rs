//! The present files of a package, reading only those that may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use fnlocal_core::CodeHash;
use fnlocal_files::OwnPath;
use fnlocal_transpile::Emitted;
use sha2::{Digest, Sha256};

use super::{CodeError, MAX_BYTES, MAX_FILES, WARN_BYTES};
use crate::Warning;
use crate::files::{LinkFree, Memo, Stamp, Tree, WalkEntry, WalkError};

/// How often a file that changes while it is read is read again.
const TRIES: usize = 5;

/// The contents of a file: the hash of its bytes, and whether it can be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Content {
    pub digest: [u8; 32],
    executable: bool,
}

impl Content {
    /// The name of the blob that holds it. Links share their mode, so it is part of the name.
    pub fn blob(&self) -> String {
        let mut name = String::with_capacity(66);
        for byte in self.digest {
            name.push(char::from(HEX[usize::from(byte >> 4)]));
            name.push(char::from(HEX[usize::from(byte & 15)]));
        }
        name.push_str(if self.executable { "-x" } else { "" });
        name
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[derive(Clone, Debug)]
struct Known {
    stamp: Stamp,
    content: Content,
    /// A later change would show in the stamp.
    settled: bool,
}

/// A package's files as of a scan, by relative path.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanned {
    files: BTreeMap<Arc<str>, Known>,
    /// The files that were made of them, in place of one or beside it.
    made: BTreeMap<Arc<str>, Content>,
    /// The digest of configurations outside of the package.
    outside: Option<[u8; 32]>,
}

impl Scanned {
    /// Looks again; contents that are new are put into `blobs`.
    pub fn rescan(
        &self,
        tree: &Tree,
        memo: &mut Memo,
        blobs: &OwnPath,
    ) -> Result<(Self, Vec<Warning>), CodeError> {
        let mut warnings = Vec::new();
        let mut sizes = Sizes::default();
        let mut unread: Vec<(Arc<str>, PathBuf, PathBuf)> = Vec::new();
        let mut next = Self::default();
        let walked = tree.walk(memo, &mut |found| match found {
            WalkEntry::Folder { .. } => true,
            WalkEntry::LeftOut { path, why } => {
                let text = format!("{} is left out: {why}", path.display());
                warnings.push(Warning { text, hint: None });
                true
            }
            WalkEntry::File {
                relative,
                path,
                real,
                metadata,
                ..
            } => {
                let stamp = Stamp::of(metadata);
                match self.files.get(relative) {
                    Some(known) if known.settled && known.stamp == stamp => {
                        next.files.insert(Arc::clone(relative), known.clone());
                    }
                    _ => unread.push((Arc::clone(relative), path.to_owned(), real.to_owned())),
                }
                sizes.add(relative, metadata.size())
            }
        });
        match walked {
            Ok(()) => {}
            Err(WalkError::Escape { link, target }) => {
                return Err(CodeError::Escape { link, target });
            }
            Err(WalkError::Io { path, source }) => return Err(CodeError::Read { path, source }),
            Err(WalkError::Stopped) => return Err(sizes.too_big(&tree.root)),
        }
        for (relative, path, real) in unread {
            let place = LinkFree::new(&tree.project, &real);
            let place = place.map_err(|source| CodeError::Read {
                path: path.clone(),
                source,
            })?;
            // None when it is gone since it was listed.
            if let Some(known) = read(&path, &place, blobs)? {
                next.files.insert(relative, known);
            }
        }
        warnings.extend(sizes.warning(&tree.root));
        Ok((next, warnings))
    }

    /// The hash of all paths, modes and contents.
    pub fn hash(&self) -> CodeHash {
        let own = hash(self.files.iter().map(|(path, known)| {
            let content = known.content;
            (&**path, content.executable, content.digest)
        }));
        super::hash_with_outside(own, self.outside)
    }

    /// Paths with their contents, and those of what was made.
    pub fn contents(&self) -> impl Iterator<Item = (&Arc<str>, Content)> {
        let kept = self.files.iter();
        let kept = kept.filter(|(path, _)| !self.made.contains_key(*path));
        let kept = kept.map(|(path, known)| (path, known.content));
        kept.chain(self.made.iter().map(|(path, content)| (path, *content)))
    }

    /// Paths of the files, without what was made.
    pub fn paths(&self) -> impl Iterator<Item = &Arc<str>> {
        self.files.keys()
    }

    /// The contents of a file, before anything was made in its place.
    pub fn content(&self, path: &str) -> Option<Content> {
        self.files.get(path).map(|known| known.content)
    }

    /// Takes in what was made of the files.
    pub fn add_made(&mut self, emitted: &Emitted, blobs: &OwnPath) -> io::Result<()> {
        self.outside = emitted.outside;
        for file in &emitted.files {
            let content = Content {
                digest: file.digest,
                executable: self.content(&file.path).is_some_and(|own| own.executable),
            };
            keep(&file.bytes, content, blobs)?;
            self.made.insert(Arc::clone(&file.path), content);
        }
        Ok(())
    }

    /// Paths whose contents differ, sorted.
    pub fn differences(&self, old: &Self) -> Vec<String> {
        let content = |known: &Known| known.content;
        let changed = self
            .files
            .iter()
            .filter(|(path, known)| old.files.get(*path).map(content) != Some(known.content));
        let gone = old
            .files
            .iter()
            .filter(|(path, _)| !self.files.contains_key(*path));
        let mut paths: Vec<String> = changed
            .chain(gone)
            .map(|(path, _)| path.to_string())
            .collect();
        paths.sort();
        paths
    }

    /// How many files, and their bytes.
    pub fn size(&self) -> (usize, u64) {
        (
            self.files.len(),
            self.files.values().map(|known| known.stamp.size).sum(),
        )
    }

    /// Removes blobs that no version links to and that are not needed for the next.
    pub fn prune(&self, blobs: &OwnPath) -> io::Result<()> {
        let needed: BTreeSet<String> = self.contents().map(|(_, content)| content.blob()).collect();
        remove_unlinked(blobs, |name| needed.contains(name))
    }
}

/// The hash of a package's files, sorted by path: path, whether it is executable, and the SHA-256 of
/// what is in it.
pub fn hash<'a>(files: impl Iterator<Item = (&'a str, bool, [u8; 32])>) -> CodeHash {
    let mut hasher = Sha256::new();
    for (path, executable, digest) in files {
        hasher.update((path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        hasher.update([u8::from(executable)]);
        hasher.update(digest);
    }
    first_eight(&hasher.finalize()).into()
}

pub(super) fn first_eight(digest: &[u8]) -> EightBytes {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    EightBytes(u64::from_be_bytes(bytes))
}

/// The first eight bytes of a hash.
pub(super) struct EightBytes(pub u64);

impl From<EightBytes> for CodeHash {
    fn from(bytes: EightBytes) -> Self {
        Self(bytes.0)
    }
}

/// Reads a file into the blobs, so that what is kept is what was hashed; none when it is gone.
fn read(path: &Path, place: &LinkFree, blobs: &OwnPath) -> Result<Option<Known>, CodeError> {
    let unreadable = |source| CodeError::Read {
        path: path.to_owned(),
        source,
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let now = SystemTime::now();
        let file = match place.open() {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let before = Stamp::of(&file.metadata().map_err(unreadable)?);
        let mut bytes = Vec::with_capacity(usize::try_from(before.size).unwrap_or(0) + 1);
        let most = MAX_BYTES + 1;
        let read = (&file).take(most).read_to_end(&mut bytes);
        read.map_err(unreadable)?;
        let after = Stamp::of(&file.metadata().map_err(unreadable)?);
        let still = before == after && after.size == bytes.len() as u64;
        // A file that never stands still is taken as it was read, and read again the next time.
        if !still && tries < TRIES {
            continue;
        }
        let content = Content {
            digest: Sha256::digest(&bytes).into(),
            executable: after.executable,
        };
        keep(&bytes, content, blobs).map_err(|source| CodeError::Store {
            path: blobs.path().to_owned(),
            source,
        })?;
        let mut stamp = after;
        stamp.size = bytes.len() as u64;
        return Ok(Some(Known {
            stamp,
            content,
            settled: still && after.would_show(now),
        }));
    }
}

/// Puts contents into the blobs. One may be half after a crash, so the next start removes them all.
fn keep(bytes: &[u8], content: Content, blobs: &OwnPath) -> io::Result<()> {
    let path = blobs.join(content.blob());
    let mode = if content.executable { 0o555 } else { 0o444 };
    // The user of an instance's container reads it too.
    let mut file = match path.create_new_with_mode(mode) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        file => file?,
    };
    let written = file.write_all(bytes);
    if written.is_err() {
        let _ = path.remove();
    }
    written
}

/// Removes blobs no version links to, except some. Other files are none of ours, and stay.
pub(super) fn remove_unlinked(blobs: &OwnPath, keep: impl Fn(&str) -> bool) -> io::Result<()> {
    for name in blobs.names()? {
        let Some(name) = name.to_str().filter(|name| is_blob(name) && !keep(name)) else {
            continue;
        };
        let blob = blobs.join(name);
        if blob.metadata().is_ok_and(|found| found.names == 1) {
            blob.remove()?;
        }
    }
    Ok(())
}

/// Removes all blobs.
pub(super) fn remove_all(blobs: &OwnPath) -> io::Result<()> {
    for name in blobs.names()? {
        if name.to_str().is_some_and(is_blob) {
            blobs.join(name).remove_all()?;
        }
    }
    Ok(())
}

/// Returns whether [`Content::blob`] can have given the name.
fn is_blob(name: &str) -> bool {
    let digest = name.strip_suffix("-x").unwrap_or(name);
    digest.len() == 64 && digest.bytes().all(|byte| HEX.contains(&byte))
}

/// Adds up sizes while walking.
#[derive(Default)]
struct Sizes {
    files: usize,
    bytes: u64,
    largest: Option<(u64, String)>,
}

impl Sizes {
    /// Adds a file; false when it is too much.
    fn add(&mut self, relative: &str, size: u64) -> bool {
        self.files += 1;
        self.bytes += size;
        if self.largest.as_ref().is_none_or(|(most, _)| size > *most) {
            self.largest = Some((size, relative.to_owned()));
        }
        self.files <= MAX_FILES && self.bytes <= MAX_BYTES
    }

    fn largest(&self) -> String {
        let (size, path) = self.largest.clone().unwrap_or_default();
        format!("{path} with {} MB", size >> 20)
    }

    fn too_big(&self, root: &Path) -> CodeError {
        let what = if self.files > MAX_FILES {
            "50,000 files"
        } else {
            "512 MB"
        };
        CodeError::TooBig {
            root: root.to_owned(),
            what,
            largest: self.largest(),
        }
    }

    fn warning(&self, root: &Path) -> Option<Warning> {
        (self.bytes > WARN_BYTES).then(|| Warning {
            text: format!(
                "{} holds {} MB; the largest is {}",
                root.display(),
                self.bytes >> 20,
                self.largest()
            ),
            hint: Some("list files that are not code in .fnlocalignore".to_owned()),
        })
    }
}
