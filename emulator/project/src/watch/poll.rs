//! Looking each second, where watching is not to be had.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use fnlocal_core::PackageId;

use super::plan::{Meaning, loaded_of};
use crate::CONFIG_FILE;
use crate::ImportMemo;
use crate::Memo;
use crate::Project;
use crate::Tree;
use crate::WalkEntry;
use crate::env_files;

/// How often to look.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// The state of everything at the last look.
#[derive(Debug, Default)]
pub(super) struct Poll {
    packages: BTreeMap<PackageId, u64>,
    config: u64,
    env: u64,
}

impl Poll {
    /// Looks, and says what differs from the last time.
    pub fn look(&mut self, project: &Project, imports: &mut ImportMemo) -> Meaning {
        let now = Self {
            packages: project
                .packages
                .iter()
                .map(|package| {
                    let loaded = loaded_of(package, imports).into_iter();
                    let trees: Vec<Tree> = loaded
                        .map(|(package, loaded)| Tree::watched(&package, loaded))
                        .collect();
                    (package.id, signature(project, &trees))
                })
                .collect(),
            config: of_files(&project.root, &[CONFIG_FILE.to_owned()]),
            env: of_files(&project.root, &env_files(&project.env_name)),
        };
        let differs = |id: &PackageId| self.packages.get(id) != now.packages.get(id);
        let meaning = Meaning {
            packages: now.packages.keys().copied().filter(differs).collect(),
            config: self.config != now.config,
            env: self.env != now.env,
            // Cheap beside the walk above.
            structure: true,
            replan: false,
        };
        *self = now;
        meaning
    }
}

fn signature(project: &Project, trees: &[Tree]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for tree in trees {
        let ended = tree.walk(&mut Memo::default(), &mut |found| {
            if let WalkEntry::File {
                relative, metadata, ..
            } = found
            {
                relative.hash(&mut hasher);
                stamp(metadata, &mut hasher);
            }
            true
        });
        ended.is_ok().hash(&mut hasher);
    }
    let locks: Vec<String> = fnlocal_language::all()
        .flat_map(|language| language.lockfiles())
        .map(|lock| lock.name.to_owned())
        .collect();
    of_files(&project.root, &locks).hash(&mut hasher);
    hasher.finish()
}

fn of_files(folder: &Path, names: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in names {
        if let Ok(metadata) = fs::metadata(folder.join(name)) {
            name.hash(&mut hasher);
            stamp(&metadata, &mut hasher);
        }
    }
    hasher.finish()
}

fn stamp(metadata: &fs::Metadata, hasher: &mut DefaultHasher) {
    (metadata.mtime(), metadata.mtime_nsec()).hash(hasher);
    (metadata.ctime(), metadata.ctime_nsec()).hash(hasher);
    (metadata.size(), metadata.ino(), metadata.mode()).hash(hasher);
}
