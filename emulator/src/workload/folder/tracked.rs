//! A package as it is followed from save to save.

use std::collections::BTreeMap;
use std::sync::Arc;

use fnlocal_core::CodeHash;
use sha2::{Digest, Sha256};

use crate::select::PrepareError;
use fnlocal_project::{CodeStore, DepsHash, Package, Snapshot};
use fnlocal_runtime::PackageRun;

/// A package's copies and what is known of them.
pub(super) struct TrackedPackage {
    pub package: Package,
    pub store: Option<CodeStore>,
    pub code: Option<CodeHash>,
    /// Dependencies and variables that were last asked to be made ready.
    pub wanted: Option<(Option<DepsHash>, BTreeMap<String, String>)>,
    /// They are being made ready in the background.
    pub making: bool,
    /// The prepared package.
    pub made: Option<PreparedPackage>,
    /// The versions that ran, with the copies they ran from.
    pub history: Vec<(CodeHash, CodeHash)>,
    pub run: Option<Arc<PackageRun>>,
}

/// A runtime's inputs for a package, or the reason for their absence.
pub struct PreparedPackage {
    pub deps: Option<DepsHash>,
    pub env: BTreeMap<String, String>,
    pub run: Result<PackageRun, PrepareError>,
}

impl PreparedPackage {
    pub fn fits(&self, snapshot: &Snapshot, env: &BTreeMap<String, String>) -> bool {
        self.deps == snapshot.deps && self.env == *env
    }
}

impl TrackedPackage {
    pub fn new(package: Package, store: CodeStore) -> Self {
        Self {
            package,
            store: Some(store),
            code: None,
            wanted: None,
            making: false,
            made: None,
            history: Vec::new(),
            run: None,
        }
    }
}

/// Returns the version that would run: the same number means the same behaviour. The files' own
/// hash is not enough, since an instance keeps its variables and settings.
pub(super) fn version(
    snapshot: &Snapshot,
    run: &PackageRun,
    entries: &[String],
    config: &str,
) -> CodeHash {
    let mut hasher = Sha256::new();
    hasher.update(snapshot.hash.0.to_be_bytes());
    // Processes have no image whose name tells of their dependencies.
    if let Some(deps) = snapshot.deps {
        hasher.update(deps.0.to_be_bytes());
    }
    hasher.update(run.image.as_bytes());
    for (name, value) in &run.env {
        hasher.update(name.as_bytes());
        hasher.update([0]);
        hasher.update(value.as_bytes());
        hasher.update([0]);
    }
    for entry in entries {
        hasher.update(entry.as_bytes());
        hasher.update([0]);
    }
    hasher.update(config.as_bytes());
    let digest = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    CodeHash(u64::from_be_bytes(first))
}
