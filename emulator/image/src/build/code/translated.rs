//! JavaScript that is made of a package's TypeScript, for its image.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use fnlocal_project::{CodeError, Tree, config_error, read_inside};
use fnlocal_transpile::{Emitted, Sources, Transpiler};
use sha2::{Digest, Sha256};

use super::CodeFile;

/// Makes what is made of a package's files.
pub(super) fn emit(tree: &Tree, files: &[CodeFile]) -> Result<Emitted, CodeError> {
    let files = files.iter().map(|file| (file.relative.as_str(), file));
    let sources = FolderSources {
        tree,
        files: files.collect(),
    };
    let emitted = Transpiler::default().emit(&sources);
    emitted.map_err(|error| CodeError::Config(config_error(*error)))
}

/// The files of a walk, read where they are.
struct FolderSources<'a> {
    tree: &'a Tree,
    files: BTreeMap<&'a str, &'a CodeFile>,
}

impl Sources for FolderSources<'_> {
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
        self.files.keys().map(|path| Arc::from(*path)).collect()
    }

    fn digest(&self, path: &str) -> io::Result<[u8; 32]> {
        Ok(Sha256::digest(self.read(path)?).into())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = Vec::new();
        file.place.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn read_outside(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_inside(&self.tree.project, path)
    }
}
