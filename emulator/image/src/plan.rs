//! The install of a package: its language says it, given the package's files.

use std::io;
use std::path::Path;

use fnlocal_files::read_text_inside;
use fnlocal_language::{HostEnvironment, HostSettings, InstallPlan, InstallRequest, MirroredFile};
use fnlocal_project::Package;

use super::error::ImageError;

/// Reads what `package` asks for as of now; `None` if it has no dependencies.
pub(crate) fn read(package: &Package) -> Result<Option<Box<dyn InstallPlan>>, ImageError> {
    let language = package.language;
    let path = package.root.join(language.manifest());
    let manifest = match read_text_inside(&package.project_root, &path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ImageError::Io { path, source }),
    };
    let facts = language.read_manifest(&manifest);
    let facts = facts.map_err(|source| ImageError::Manifest { path, source })?;
    if !facts.dependencies {
        return Ok(None);
    }
    let local = match package.local_dependencies()? {
        Some(local) => {
            let files = package.mirror(&local)?;
            Some((local, files))
        }
        None => None,
    };
    let run_in = local
        .as_ref()
        .map_or(&package.root, |(local, _)| &local.run_in);
    let inputs = package.install_inputs(run_in)?;
    let scripts = package.install_scripts(local.is_none());
    let named = package.script_files(&scripts)?;
    let request = InstallRequest {
        root: &package.root,
        project: &package.project_root,
        manifest: &manifest,
        local,
        inputs,
        scripts: (scripts, named),
    };
    let plan = language.plan_install(request);
    let plan = plan.map_err(|error| ImageError::Io {
        path: error.path,
        source: error.source,
    });
    plan.map(Some)
}

/// Returns all files of a package if scripts of its own run, since they may read any.
pub(crate) fn code(
    package: &Package,
    plan: &dyn InstallPlan,
) -> Result<Vec<MirroredFile>, ImageError> {
    match plan.runs_scripts() {
        true => Ok(package.all_files()?),
        false => Ok(Vec::new()),
    }
}

/// Returns what an install in a container needs of this machine.
pub(crate) fn host_settings(plan: &dyn InstallPlan) -> HostSettings {
    plan.host_settings(HostEnvironment {
        env: std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        home: std::env::home_dir(),
        read: &|path: &Path| std::fs::read(path).ok(),
    })
}
