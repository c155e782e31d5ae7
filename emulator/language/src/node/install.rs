//! How dependencies of Node.js' packages are named and installed.

use std::path::Path;

use super::deps::Dependencies;
use super::{NodeJs, local, manifest};
use crate::{
    InstallFileError, InstallPlan, InstallRequest, InstallScript, LanguageInstall, LanguageRun,
    LocalDependencies, LocalError, LockfileName, ManifestFacts, ManifestFault,
};

/// The manifest's name.
pub(super) const MANIFEST: &str = "package.json";
/// Names of lock files, in the order they are looked for.
pub(super) const LOCKFILES: [LockfileName; 6] = [
    lockfile("npm-shrinkwrap.json", "npm"),
    lockfile("package-lock.json", "npm"),
    lockfile("pnpm-lock.yaml", "pnpm"),
    lockfile("yarn.lock", "yarn"),
    lockfile("bun.lock", "bun"),
    lockfile("bun.lockb", "bun"),
];
/// Notes of package managers: times, paths and settings of the machine, of no use to Node.
const NOTES: [&str; 6] = [
    ".package-lock.json",
    ".modules.yaml",
    ".yarn-integrity",
    ".yarn-state.yml",
    ".cache",
    ".vite",
];
const PNPM_STATE: &str = ".pnpm-workspace-state";

const fn lockfile(name: &'static str, manager: &'static str) -> LockfileName {
    LockfileName { name, manager }
}

impl LanguageInstall for NodeJs {
    fn manifest(&self) -> &'static str {
        MANIFEST
    }

    fn read_manifest(&self, text: &str) -> Result<ManifestFacts, ManifestFault> {
        manifest::read(text)
    }

    fn lockfiles(&self) -> &'static [LockfileName] {
        &LOCKFILES
    }

    fn install_settings(&self) -> &'static [&'static str] {
        &[".npmrc", ".yarnrc.yml", "pnpm-workspace.yaml"]
    }

    fn secret_files(&self) -> &'static [&'static str] {
        &[".npmrc", ".yarnrc.yml"]
    }

    fn dependency_parts(&self, manifest: &[u8]) -> Option<Vec<(&'static str, String)>> {
        manifest::dependency_parts(manifest)
    }

    fn local_dependencies(
        &self,
        package: &Path,
        project: &Path,
    ) -> Result<Option<LocalDependencies>, LocalError> {
        LocalDependencies::of(package, project)
    }

    fn mirrored_manifest(&self, folder: &Path, only_dependencies: bool) -> Option<Vec<u8>> {
        let found = local::read_manifest(folder)?;
        Some(manifest::mirrored(found, only_dependencies))
    }

    fn plan_install(
        &self,
        request: InstallRequest<'_>,
    ) -> Result<Box<dyn InstallPlan>, InstallFileError> {
        Ok(Box::new(Dependencies::read(request)?))
    }

    fn install_script(&self) -> InstallScript {
        InstallScript {
            file: "install.cjs",
            bytes: include_bytes!("install.cjs"),
        }
    }

    fn empty_folder_removal(&self, folder: &str) -> Vec<String> {
        let script = format!("require('node:fs').rmdirSync('{folder}')");
        [self.program(), "-e", &script].map(str::to_owned).to_vec()
    }

    fn installed_folder(&self) -> &'static str {
        "node_modules"
    }

    fn is_install_note(&self, name: &str) -> bool {
        NOTES.contains(&name) || name.starts_with(PNPM_STATE)
    }
}
