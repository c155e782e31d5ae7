//! A package's code as a layer: the files `dev` runs, and nothing else.

mod translated;

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Read;
use std::sync::Arc;

use fnlocal_core::CodeHash;
use fnlocal_registry::{Digest, RepositoryName, Store};

use sha2::{Digest as _, Sha256};

use super::error::BuildError;
use super::records::BuildRecords;
use crate::ImageError;
use crate::Root;
use crate::oci::layer::{self, Layer};
use fnlocal_project::{
    CodeError, LinkFree, Memo, Package, Tree, WalkEntry, WalkError, Warning, hash_of_files,
    hash_with_outside,
};
use fnlocal_transpile::Emitted;

/// The folder of the code in an image.
pub(super) const FOLDER: &str = "/app";
/// How often code that changes while it is packed is packed again.
const TRIES: usize = 5;

/// A package's files as of now.
#[derive(Clone, Debug)]
pub(super) struct CodeFiles {
    files: Arc<Vec<CodeFile>>,
    /// The files that were made of them, in place of one or beside it.
    emitted: Arc<Emitted>,
    pub warnings: Vec<Warning>,
}

#[derive(Debug)]
struct CodeFile {
    relative: String,
    place: LinkFree,
    executable: bool,
    bytes: u64,
}

impl CodeFiles {
    pub fn read(package: &Package) -> Result<Self, CodeError> {
        let mut files = Vec::new();
        let mut warnings = Vec::new();
        let mut outside = None;
        let tree = Tree::of(package);
        let walked = tree.walk(&mut Memo::default(), &mut |found| {
            match found {
                WalkEntry::Folder { .. } => {}
                WalkEntry::File {
                    relative,
                    path,
                    real,
                    metadata,
                    ..
                } => match LinkFree::new(&tree.project, real) {
                    Ok(place) => files.push(CodeFile {
                        relative: relative.to_string(),
                        place,
                        executable: executable(metadata),
                        bytes: metadata.len(),
                    }),
                    Err(source) => outside = Some((path.to_owned(), source)),
                },
                WalkEntry::LeftOut { path, why } => warnings.push(Warning {
                    text: format!("{} is left out: {why}", path.display()),
                    hint: None,
                }),
            }
            true
        });
        if let Some((path, source)) = outside {
            return Err(CodeError::Read { path, source });
        }
        match walked {
            Ok(()) | Err(WalkError::Stopped) => {}
            Err(WalkError::Escape { link, target }) => {
                return Err(CodeError::Escape { link, target });
            }
            Err(WalkError::Io { path, source }) => return Err(CodeError::Read { path, source }),
        }
        let emitted = translated::emit(&tree, &files)?;
        let notes = emitted.warnings.iter().cloned();
        warnings.extend(notes.map(|text| Warning { text, hint: None }));
        Ok(Self {
            files: Arc::new(files),
            emitted: Arc::new(emitted),
            warnings,
        })
    }

    /// Paths with their sizes in bytes, sorted by path.
    pub fn sizes(&self) -> Vec<(String, u64)> {
        let files = self.files.iter();
        let files = files.map(|file| (file.relative.clone(), file.bytes));
        let made = self.emitted.files.iter();
        let made = made.map(|file| (file.path.to_string(), file.bytes.len() as u64));
        let sizes: BTreeMap<_, _> = files.chain(made).collect();
        sizes.into_iter().collect()
    }

    /// The files, below a folder of an image.
    pub fn root(&self, at: &str) -> Root {
        let mut root = Root::default();
        if !at.is_empty() {
            root.folder(at, 0o755);
        }
        for file in self.files.iter() {
            let mode = if file.executable { 0o755 } else { 0o644 };
            root.own_file(&format!("{at}/{}", file.relative), file.place.clone(), mode);
        }
        for made in &self.emitted.files {
            let own = self.files.iter().find(|file| file.relative == *made.path);
            let mode = match own {
                Some(file) if file.executable => 0o755,
                _ => 0o644,
            };
            root.text(&format!("{at}/{}", made.path), &*made.bytes, mode);
        }
        root
    }

    /// The hash of the files, as `dev` has it.
    pub fn hash(&self) -> std::io::Result<CodeHash> {
        let mut files: Vec<(&str, bool, [u8; 32])> = Vec::with_capacity(self.files.len());
        for file in self.files.iter() {
            let mut bytes = Vec::new();
            file.place.open()?.read_to_end(&mut bytes)?;
            let digest = Sha256::digest(&bytes).into();
            files.push((&file.relative, file.executable, digest));
        }
        files.sort_unstable_by_key(|(path, ..)| *path);
        let own = hash_of_files(files.into_iter());
        Ok(hash_with_outside(own, self.emitted.outside))
    }
}

/// The layer of some code, and whether it was there already.
pub(super) fn layer(
    code: &CodeFiles,
    store: &Store,
    repository: &RepositoryName,
    records: &BuildRecords,
) -> Result<(Layer, bool), BuildError> {
    let root = code.root(FOLDER);
    for _ in 0..TRIES {
        let (diff_id, _) = match layer::measure(|out| root.write(out)) {
            Err(error) if changed(&error) => continue,
            other => other?,
        };
        if let Some(layer) = known(&diff_id, store, repository, records) {
            return Ok((layer, true));
        }
        let layer = match layer::pack(store, repository, |out| root.write(out)) {
            Err(error) if changed(&error) => continue,
            other => other?,
        };
        // Saved between the two readings, what is stored may be half of each.
        if layer.diff_id == diff_id {
            records.put("code", &short(&diff_id), &layer);
            return Ok((layer, false));
        }
    }
    Err(BuildError::Restless)
}

pub fn known(
    diff_id: &Digest,
    store: &Store,
    repository: &RepositoryName,
    records: &BuildRecords,
) -> Option<Layer> {
    let layer: Layer = records.get("code", &short(diff_id))?;
    (layer.diff_id == *diff_id && store.has_blob(repository, &layer.digest)).then_some(layer)
}

/// Enough of a digest for a name.
pub(super) fn short(digest: &Digest) -> String {
    digest.hex().chars().take(16).collect()
}

/// Returns whether a file shrank while it was read.
fn changed(error: &ImageError) -> bool {
    matches!(error, ImageError::Layer { source }
        if source.kind() == std::io::ErrorKind::UnexpectedEof)
}

fn executable(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0
}
