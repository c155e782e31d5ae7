//! Opening a project, and opening it again.

use std::fs;
use std::io;
use std::path::Path;

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
    let is_file = opened.is_file();
    let root = match opened.parent() {
        Some(folder) if is_file => folder.to_owned(),
        _ => opened.clone(),
    };
    let file = ConfigFile::read(&root)?;
    let mut found = if is_file {
        let package = discover::single(&opened)?;
        let parents = std::iter::once(root.clone()).collect();
        DiscoveredPackages {
            packages: vec![package],
            warnings: Vec::new(),
            parents,
            none: None,
        }
    } else {
        discover::discover(&root, &file)?
    };
    let waits_for = match (found.none.take(), when_empty) {
        (Some(error), WhenEmpty::Refuse) => return Err(error),
        (Some(error), WhenEmpty::Wait) => Some(error.awaited()),
        (None, _) => None,
    };
    Ok(Project {
        name: name_of(&root, &file, &found),
        next_package: u32::try_from(found.packages.len()).unwrap_or(u32::MAX),
        root,
        file,
        env_name: env_name.to_owned(),
        packages: found.packages,
        warnings: found.warnings,
        profile: fnlocal_core::Profile::default(),
        parents: found.parents,
        opened,
        when_empty,
        waits_for,
    })
}

pub(super) fn reload(old: &Project) -> Result<Project, ProjectError> {
    let mut project = match open(&old.opened, &old.env_name, old.when_empty) {
        Err(ProjectError::NotFound { path }) if old.when_empty == WhenEmpty::Wait => {
            without(old, &path)?
        }
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

/// The project of a single file that is gone, but whose folder is there.
fn without(old: &Project, file: &Path) -> Result<Project, ProjectError> {
    if !old.root.is_dir() || file == old.root {
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
