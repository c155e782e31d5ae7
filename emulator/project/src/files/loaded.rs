//! The files that code loads, by its sources: so that files that git ignores are watched if code
//! needs them.
//!
//! Sources are searched for relative imports, from the entries on. An import that leads nowhere
//! counts too: what it asks for may be built in a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use fnlocal_language::{Language, of_source};

use super::{Stamp, open_within};
use crate::Package;

/// The maximum number of files that are searched for imports.
const MAX_FILES: usize = 5_000;
/// The bytes of a file that are searched.
const MAX_BYTES: u64 = 4 << 20;
/// Ends a path that code reads, which may be a folder's, as languages say it.
const READ: char = '/';

/// Files of a package that its code loads, relative to the package; those that are missing too.
/// Folders that it reads end in [`READ`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedFiles(BTreeSet<String>);

/// The imports of files, so that only files that changed are read again.
#[derive(Debug, Default)]
pub struct ImportMemo(BTreeMap<PathBuf, (Stamp, Arc<[String]>)>);

impl LoadedFiles {
    /// Finds what a package's entries load, and what that loads.
    pub fn of(package: &Package, memo: &mut ImportMemo) -> Self {
        let mut loaded = BTreeSet::new();
        let mut waiting: Vec<String> = package.entries.clone();
        let mut searched = 0;
        while let Some(file) = waiting.pop() {
            if !loaded.insert(file.clone()) || searched == MAX_FILES {
                continue;
            }
            let Some(language) = of_source(&file) else {
                continue;
            };
            searched += 1;
            for import in memo.imports(&package.root, &file, language).iter() {
                match resolve(&package.root, &file, import, language) {
                    Resolved::File(found) => waiting.push(found),
                    Resolved::Folder(found) => drop(loaded.insert(format!("{found}{READ}"))),
                    Resolved::Missing(candidates) => loaded.extend(candidates),
                    Resolved::Elsewhere => {}
                }
            }
        }
        Self(loaded)
    }

    /// The paths of all of them.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns whether a path that git ignores has to be watched: something in the folder is
    /// loaded, or the file is, or it is code in a folder that is watched, or it is in a folder that
    /// code reads.
    pub(super) fn needs(&self, relative: &str, is_folder: bool) -> bool {
        let mut above = relative
            .match_indices('/')
            .map(|(end, _)| &relative[..=end]);
        if above.any(|folder| self.0.contains(folder)) {
            return true;
        }
        if !is_folder {
            return self.0.contains(relative) || of_source(relative).is_some();
        }
        let inside = format!("{relative}/");
        let mut from = self.0.range(inside.clone()..);
        from.next().is_some_and(|first| first.starts_with(&inside))
    }
}

impl ImportMemo {
    fn imports(&mut self, root: &Path, file: &str, language: &dyn Language) -> Arc<[String]> {
        let path = root.join(file);
        let now = SystemTime::now();
        let Ok(stamp) = fs::metadata(&path).as_ref().map(Stamp::of) else {
            return Arc::default();
        };
        if let Some((known, imports)) = self.0.get(&path)
            && *known == stamp
        {
            return Arc::clone(imports);
        }
        let imports: Arc<[String]> =
            read(root, file).map_or_else(Arc::default, |text| language.imports(&text).into());
        if stamp.would_show(now) {
            self.0.insert(path, (stamp, Arc::clone(&imports)));
        }
        imports
    }
}

/// The text of a file of a package. A link is not followed: what it leads to is watched anyway.
fn read(root: &Path, file: &str) -> Option<String> {
    let file = open_within(root, Path::new(file)).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where an import leads.
enum Resolved {
    File(String),
    /// All that is in the folder may be read.
    Folder(String),
    /// The files that it might mean, none of which exists.
    Missing(Vec<String>),
    /// To an installed package, or out of the package.
    Elsewhere,
}

fn resolve(root: &Path, importer: &str, import: &str, language: &dyn Language) -> Resolved {
    let Some(target) = beside(importer, import) else {
        return Resolved::Elsewhere;
    };
    if import.ends_with(READ) && root.join(&target).is_dir() {
        return Resolved::Folder(target);
    }
    let candidates = language.import_candidates(&target);
    let there = |path: &&String| root.join(path).is_file();
    match candidates.iter().find(there) {
        Some(found) => Resolved::File(found.clone()),
        None => Resolved::Missing(candidates),
    }
}

/// The path of what stands beside a file, relative to the package. `None` outside of it.
fn beside(importer: &str, import: &str) -> Option<String> {
    let mut parts: Vec<&str> = importer.split('/').collect();
    parts.pop();
    for part in Path::new(import).components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
