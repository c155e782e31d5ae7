//! Packages by the globs of `packages` in fnlocal.toml.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::{DiscoveredPackages, add, children, is_skipped};
use crate::config_file::ConfigFile;
use crate::{ProjectError, Warning};

/// How deep a glob of `packages` is followed.
const GLOB_DEPTH: usize = 8;

/// Adds the packages in folders that globs of `packages` name.
pub(super) fn by_globs(
    root: &Path,
    globs: &[String],
    file: &ConfigFile,
    found: &mut DiscoveredPackages,
) -> Result<(), ProjectError> {
    let mut matchers = Vec::new();
    for text in globs {
        let wrong = |why: String| {
            let error = file.error_at(&["packages"], format!("`{text}` {why}"));
            let hint = "write folders relative to fnlocal.toml, such as \"services/*\"";
            ProjectError::Config(Box::new(error.with_hint(Some(hint.to_owned()))))
        };
        let pattern = text.trim_start_matches("./").trim_end_matches('/');
        if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
            return Err(wrong("leads out of the project".to_owned()));
        }
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(|error| wrong(format!("is not a glob: {}", error.kind())))?;
        let literal = pattern
            .split('/')
            .take_while(|part| !part.contains(['*', '?', '[', '{']));
        let mut parent = root.to_owned();
        for part in literal {
            parent.push(part);
            found.parents.insert(parent.clone());
        }
        matchers.push((text, glob.compile_matcher(), false));
    }
    descend(root, Path::new(""), &mut matchers, file, found)?;
    let signs: Vec<&str> = fnlocal_language::all()
        .map(|language| language.package_signs())
        .collect();
    for (text, _, _) in matchers.iter().filter(|(_, _, used)| !used) {
        let path = file.path.as_deref().unwrap_or(root).display();
        found.warnings.push(Warning {
            text: format!("{path}: `packages` names `{text}`, where no folder holds functions"),
            hint: Some(format!(
                "a package is a folder with {}",
                signs.join(", or ")
            )),
        });
    }
    Ok(())
}

fn descend(
    root: &Path,
    relative: &Path,
    globs: &mut [(&String, GlobMatcher, bool)],
    file: &ConfigFile,
    found: &mut DiscoveredPackages,
) -> Result<(), ProjectError> {
    let folder = root.join(relative);
    for name in children(&folder)
        .into_iter()
        .filter(|name| !is_skipped(name))
    {
        let relative = relative.join(&name);
        let child = root.join(&relative);
        if !child.is_dir() || child.is_symlink() {
            continue;
        }
        for (_, glob, used) in globs.iter_mut() {
            if glob.is_match(&relative) {
                found.parents.insert(folder.clone());
                *used |= add(root, &child, file, found)?;
            }
        }
        if relative.components().count() < GLOB_DEPTH {
            descend(root, &relative, globs, file, found)?;
        }
    }
    Ok(())
}
