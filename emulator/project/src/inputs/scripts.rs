//! A package's own scripts for an install, and their files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fnlocal_language::{InstallScripts, MirroredFile, script_words};

use super::{inside, loaded_by, read_file, text};
use crate::mirror::files_below;
use crate::{CodeError, Package};

impl Package {
    /// Reads its scripts for an install. `alone` says that it is not installed with others of the
    /// project.
    #[must_use]
    pub fn install_scripts(&self, alone: bool) -> InstallScripts {
        let manifest = text(self, &self.root.join(self.language.manifest()));
        self.language.install_scripts(&manifest, alone)
    }

    /// The files of the package that scripts name, and what those load. When one changes, the
    /// install runs again.
    ///
    /// # Errors
    /// [`CodeError`] for files that cannot be read.
    pub fn script_files(&self, scripts: &InstallScripts) -> Result<Vec<MirroredFile>, CodeError> {
        let root = &self.root;
        let mut files = Vec::new();
        for path in self.script_places(scripts) {
            if path.is_dir() {
                files.extend(files_below(&path, self, root)?);
            } else if path.is_file() {
                files.push(read_file(self, root, &path)?);
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(files)
    }

    /// All files of the package, which its scripts may read. Its manifest is not among them.
    ///
    /// # Errors
    /// [`CodeError`] for files that cannot be read, and for too many.
    pub fn all_files(&self) -> Result<Vec<MirroredFile>, CodeError> {
        files_below(&self.root, self, &self.root)
    }

    /// The files and folders that scripts name, whether they are there or not.
    pub(crate) fn script_places(&self, scripts: &InstallScripts) -> BTreeSet<PathBuf> {
        let root = &self.root;
        let mut places = BTreeSet::new();
        for word in scripts.run.values().flat_map(|text| script_words(text)) {
            let usual = self.language.usual_inputs(word).iter();
            places.extend(usual.map(|place| root.join(place)));
            let path = root.join(word);
            let is_own = path.exists() && Path::new(word).is_relative();
            // The folder itself would be all of the code: each save would install anew.
            if let Some(plain) = is_own.then(|| inside(self, root, &path).ok()).flatten()
                && plain != *root
            {
                if plain.is_file() {
                    places.extend(loaded_by(self, root, &plain));
                }
                places.insert(plain);
            }
        }
        places
    }
}
