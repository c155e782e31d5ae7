//! The part of a project that a package manager is given, for packages that depend on others of it.

use std::path::{Path, PathBuf};

use fnlocal_files::read_inside;
use serde_json::{Map, Value};

use super::super::install::MANIFEST;
use super::super::manager::Member;
use crate::{LocalDependencies, MirroredFile};

/// Puts what was installed where the package finds it.
pub(super) const ARRANGE: &[u8] = include_bytes!("../arrange.cjs");
/// Fields of a workspace's package.json besides those of a package alone.
pub(super) const MEMBER_FIELDS: [&str; 2] = ["workspaces", "private"];

/// The part of a project that a package manager is given.
#[derive(Clone, Debug)]
pub(super) struct DependencyMirror {
    /// The folder the package manager runs in.
    pub run_in: PathBuf,
    /// Its name in the mirror; empty for the top.
    pub run_in_name: String,
    /// The package's folder in the mirror; empty for the top.
    pub member: String,
    /// The package as a member of the workspace, if it is one.
    pub as_member: Option<Member>,
    /// The package.json of the folder the package manager runs in.
    pub manifest: Option<Map<String, Value>>,
    pub files: Vec<MirroredFile>,
}

impl DependencyMirror {
    /// The mirror of what the package in the folder `root` depends on.
    pub fn new(
        (root, project): (&Path, &Path),
        (local, files): (LocalDependencies, Vec<MirroredFile>),
    ) -> Self {
        let top = local.top();
        let manifest = |folder: &Path| {
            let bytes = read_inside(project, &folder.join(MANIFEST)).ok()?;
            let text = fnlocal_files::decode(bytes).ok()?;
            serde_json::from_str::<Map<String, Value>>(&text).ok()
        };
        let name = |folder: &Path| {
            let below = folder.strip_prefix(&top).unwrap_or(Path::new(""));
            below.to_string_lossy().into_owned()
        };
        let own = manifest(root).unwrap_or_default();
        let as_member = (local.run_in != root).then(|| Member {
            folder: root
                .strip_prefix(&local.run_in)
                .unwrap_or(root)
                .to_string_lossy()
                .into_owned(),
            name: own.get("name").and_then(Value::as_str).map(str::to_owned),
        });
        Self {
            run_in_name: name(&local.run_in),
            member: name(root),
            as_member,
            manifest: manifest(&local.run_in),
            files,
            run_in: local.run_in,
        }
    }
}

/// A name below a folder, which may be the top.
pub(super) fn below(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}
