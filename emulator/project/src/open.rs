//! Opening a project, and opening it again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::above;
use super::config_file::ConfigFile;
use super::discover::{self, DiscoveredPackages};
use super::{Project, ProjectError, WhenEmpty, names};

pub(super) fn open(
    path: &Path,
    env_name: &str,
    when_empty: WhenEmpty,
) -> Result<Project, ProjectError> {
    let opened = fs::canonicalize(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ProjectError::NotFound {
            path: path.to_owned(),
        },
        _ => ProjectError::Io {
            path: path.to_owned(),
            source,
        },
    })?;
    let Found {
        root,
        file,
        mut packages,
    } = find(&opened)?;
    let waits_for = match (packages.none.take(), when_empty) {
        (Some(error), WhenEmpty::Refuse) => return Err(error),
        (Some(error), WhenEmpty::Wait) => Some(error.awaited()),
        (None, _) => None,
    };
    Ok(Project {
        name: name_of(&root, &file, &packages),
        next_package: u32::try_from(packages.packages.len()).unwrap_or(u32::MAX),
        root,
        file,
        env_name: env_name.to_owned(),
        packages: packages.packages,
        warnings: packages.warnings,
        profile: fnlocal_core::Profile::default(),
        parents: packages.parents,
        opened,
        when_empty,
        waits_for,
    })
}

/// The project that a path means.
struct Found {
    /// The project's folder.
    root: PathBuf,
    file: ConfigFile,
    packages: DiscoveredPackages,
}

/// Finds what a folder or a file means: it is a project of its own, or handlers of the package
/// whose manifest is the nearest above.
fn find(opened: &Path) -> Result<Found, ProjectError> {
    if let (true, Some(folder)) = (opened.is_file(), opened.parent()) {
        let root = match fnlocal_language::of_manifest(folder) {
            Some(_) => folder.to_owned(),
            None => above::package_above(folder).unwrap_or_else(|| folder.to_owned()),
        };
        let packages = DiscoveredPackages {
            packages: vec![discover::single(opened, &root)?],
            warnings: Vec::new(),
            parents: std::iter::once(folder.to_owned()).collect(),
            none: None,
        };
        let file = ConfigFile::read(&root)?;
        return Ok(Found {
            root,
            file,
            packages,
        });
    }
    let file = ConfigFile::read(opened)?;
    let packages = discover::discover(opened, &file)?;
    let own = packages
        .packages
        .iter()
        .any(|package| package.manifest.is_some());
    if !own
        && above::holds_handlers(opened)
        && let Some(root) = above::package_above(opened)
    {
        return Ok(Found {
            file: ConfigFile::read(&root)?,
            packages: discover::of_handlers(opened, &root)?,
            root,
        });
    }
    Ok(Found {
        root: opened.to_owned(),
        file,
        packages,
    })
}

pub(super) fn reload(old: &Project) -> Result<Project, ProjectError> {
    let mut project = match open(&old.opened, &old.env_name, old.when_empty) {
        Err(ProjectError::NotFound { path }) if old.when_empty == WhenEmpty::Wait => {
            without(old, &path)?
        }
        // A folder above that became the project's would have another state folder.
        Ok(project) if project.root != old.root => without(old, &old.opened)?,
        opened => opened?,
    };
    project.next_package = old.next_package;
    project.profile = old.profile;
    for package in &mut project.packages {
        let same = old.packages.iter().find(|known| known.root == package.root);
        if let Some(same) = same {
            package.id = same.id;
        } else {
            package.id = fnlocal_core::PackageId(project.next_package);
            project.next_package += 1;
        }
    }
    Ok(project)
}

/// The project of a file or folder in it that is gone.
fn without(old: &Project, file: &Path) -> Result<Project, ProjectError> {
    if !old.root.is_dir() || !file.starts_with(&old.root) || file == old.root {
        return Err(ProjectError::NotFound {
            path: file.to_owned(),
        });
    }
    Ok(Project {
        packages: Vec::new(),
        warnings: Vec::new(),
        waits_for: Some(file.display().to_string()),
        ..old.clone()
    })
}

fn name_of(root: &Path, file: &ConfigFile, found: &DiscoveredPackages) -> String {
    if let Some(name) = &file.config.name {
        return name.clone();
    }
    let at_root = found.packages.iter().find(|package| package.root == root);
    match at_root {
        Some(package) => package.name.clone(),
        None => names::slug(&root.file_name().unwrap_or_default().to_string_lossy()),
    }
}
