//! Packages and their code, as the driver knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fnlocal_core::{CodeHash, PackageId};

use super::Driver;
use fnlocal_runtime::PackageRun;

/// A package as the driver needs it.
pub struct DriverPackage {
    /// The program that the runtime starts.
    pub run: Arc<PackageRun>,
    /// The package's folder as messages show it, with a slash at its end.
    pub shown_root: String,
    /// The parts of each code.
    pub codes: BTreeMap<CodeHash, PackageCode>,
}

/// One code of a package.
#[derive(Clone, Debug, Default)]
pub struct PackageCode {
    /// Hash of its files, for `x-fnlocal-code`: the same wherever it runs and with whatever
    /// variables, unlike the core's.
    pub files: String,
    /// Where it is, below the runtime's code folder; empty for that folder itself.
    pub folder: String,
    /// Files the wrapper imports, relative to it.
    pub entries: Vec<String>,
}

impl PackageCode {
    /// Its folder as an instance sees it.
    pub(super) fn path(&self, code_root: &str) -> String {
        match self.folder.as_str() {
            "" => code_root.to_owned(),
            folder => format!("{code_root}/{folder}"),
        }
    }
}

impl Driver {
    /// Adds a package, or gives a known one another image or other variables.
    pub fn set_package(&self, package: PackageId, run: Arc<PackageRun>, shown_root: String) {
        let mut packages = self.packages.borrow_mut();
        let codes = packages.remove(&package).map(|old| old.codes);
        packages.insert(
            package,
            DriverPackage {
                run,
                shown_root,
                codes: codes.unwrap_or_default(),
            },
        );
    }

    /// Says where code lies that the core will hear of.
    pub fn add_code(&self, package: PackageId, code: CodeHash, what: PackageCode) {
        if let Some(package) = self.packages.borrow_mut().get_mut(&package) {
            package.codes.insert(code, what);
        }
    }

    /// Code that an instance runs or may yet be given.
    #[must_use]
    pub fn codes_in_use(&self) -> BTreeSet<CodeHash> {
        let view = self.view();
        let served = view.functions.iter().flat_map(|f| [Some(f.code), f.next]);
        let known = view.packages.iter().flat_map(|p| [Some(p.wanted), p.code]);
        let instances = self.instances.borrow();
        let bound = instances
            .values()
            .filter_map(|instance| Some(instance.bound()?.code));
        served.chain(known).flatten().chain(bound).collect()
    }

    /// Forgets where code lies that is not there any more.
    pub fn keep_codes(&self, package: PackageId, kept: &[CodeHash]) {
        if let Some(package) = self.packages.borrow_mut().get_mut(&package) {
            package.codes.retain(|code, _| kept.contains(code));
        }
    }

    /// The hash of a code's files.
    pub(super) fn files_of(&self, package: PackageId, code: CodeHash) -> String {
        let packages = self.packages.borrow();
        let code = packages
            .get(&package)
            .and_then(|package| package.codes.get(&code));
        code.map_or_else(String::new, |code| code.files.clone())
    }
}
