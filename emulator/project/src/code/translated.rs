//! JavaScript that is made of a package's TypeScript, as part of its code versions.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use fnlocal_core::CodeHash;
use fnlocal_files::OwnPath;
use fnlocal_transpile::{ConfigError, Sources};
use sha2::{Digest, Sha256};

use super::scan::{Scanned, first_eight};
use super::{CodeError, CodeStore};
use crate::files::{Tree, read_inside};
use crate::{FileError, Warning};

impl CodeStore {
    /// Adds to the files what is made of them.
    pub(super) fn translate(&mut self, files: &mut Scanned) -> Result<Vec<Warning>, CodeError> {
        let scanned = ScannedSources {
            files,
            tree: &self.tree,
            blobs: &self.blobs,
        };
        let emitted = self.transpiler.emit(&scanned);
        let emitted = emitted.map_err(|error| CodeError::Config(config_error(*error)))?;
        let added = files.add_made(&emitted, &self.blobs);
        added.map_err(|source| self.fail(source))?;
        let warnings = emitted.warnings.into_iter();
        Ok(warnings.map(|text| Warning { text, hint: None }).collect())
    }
}

/// An error of a `tsconfig.json`, with a picture of the place.
#[must_use]
pub fn config_error(error: ConfigError) -> Box<FileError> {
    let ConfigError {
        path,
        text,
        line,
        column,
        message,
        hint,
    } = error;
    Box::new(FileError::at(&path, &text, line, column, message).with_hint(hint))
}

/// The hash of files, and of what decides about them and is none of them.
#[must_use]
pub fn hash_with_outside(own: CodeHash, outside: Option<[u8; 32]>) -> CodeHash {
    match outside {
        None => own,
        Some(outside) => {
            let mut hasher = Sha256::new();
            hasher.update(own.0.to_be_bytes());
            hasher.update(outside);
            first_eight(&hasher.finalize()).into()
        }
    }
}

/// The files of a scan, whose contents are in the blobs.
struct ScannedSources<'a> {
    files: &'a Scanned,
    tree: &'a Tree,
    blobs: &'a OwnPath,
}

impl Sources for ScannedSources<'_> {
    fn root(&self) -> &Path {
        &self.tree.root
    }

    fn project(&self) -> &Path {
        &self.tree.project
    }

    fn entries(&self) -> Option<&[String]> {
        Some(self.tree.entries())
    }

    fn paths(&self) -> BTreeSet<Arc<str>> {
        self.files.paths().map(Arc::clone).collect()
    }

    fn digest(&self, path: &str) -> io::Result<[u8; 32]> {
        let content = self.files.content(path);
        content
            .map(|content| content.digest)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let content = self.files.content(path).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = Vec::new();
        let mut blob = self.blobs.join(content.blob()).open()?;
        blob.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn read_outside(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_inside(&self.tree.project, path)
    }
}
