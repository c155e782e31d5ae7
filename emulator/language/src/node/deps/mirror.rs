//! The part of a project that a package manager is given, for packages that depend on others of it.

use std::path::{Path, PathBuf};

use fnlocal_project::{LocalDependencies, MirroredFile, Package, read_inside};
use serde_json::{Map, Value};

use super::super::error::ImageError;
use super::super::manager::Member;

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
    /// Reads it; `None` for a package that depends on nothing of the project.
    pub fn read(package: &Package) -> Result<Option<Self>, ImageError> {
        let Some(local) = LocalDependencies::of(package)? else {
            return Ok(None);
        };
        let top = local.top();
        let manifest = |folder: &Path| {
            let bytes = read_inside(&package.project_root, &folder.join("package.json")).ok()?;
            let text = fnlocal_files::decode(bytes).ok()?;
            serde_json::from_str::<Map<String, Value>>(&text).ok()
        };
        let name = |folder: &Path| {
            let below = folder.strip_prefix(&top).unwrap_or(Path::new(""));
            below.to_string_lossy().into_owned()
        };
        let own = manifest(&package.root).unwrap_or_default();
        let as_member = (local.run_in != package.root).then(|| Member {
            folder: package
                .root
                .strip_prefix(&local.run_in)
                .unwrap_or(&package.root)
                .to_string_lossy()
                .into_owned(),
            name: own.get("name").and_then(Value::as_str).map(str::to_owned),
        });
        Ok(Some(Self {
            run_in_name: name(&local.run_in),
            member: name(&package.root),
            as_member,
            manifest: manifest(&local.run_in),
            files: local.mirror(package)?,
            run_in: local.run_in,
        }))
    }
}

/// A name below a folder, which may be the top.
pub(super) fn below(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}
