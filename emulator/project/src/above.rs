//! The package that a file or a folder of handlers belongs to, when its manifest is above it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fnlocal_language::of_manifest;

use super::CONFIG_FILE;
use super::discover::HANDLERS;

/// The nearest folder above with a manifest. Ends at the repository's or the project's folder,
/// and before the person's home and folders that every user may write to: a manifest there was
/// not written for this code.
pub(super) fn package_above(folder: &Path) -> Option<PathBuf> {
    let home = std::env::home_dir();
    let mut below = folder;
    for above in folder.ancestors().skip(1) {
        let ends = below.join(".git").exists() || below.join(CONFIG_FILE).is_file();
        if ends || home.as_deref() == Some(above) || is_open_to_all(above) {
            return None;
        }
        if of_manifest(above).is_some() {
            return Some(above.to_owned());
        }
        below = above;
    }
    None
}

/// Returns whether a folder is one in which fnlocal looks for handlers, and no package by itself.
pub(super) fn holds_handlers(folder: &Path) -> bool {
    let is_own = of_manifest(folder).is_some() || folder.join(CONFIG_FILE).is_file();
    !is_own && HANDLERS.iter().any(|name| folder.ends_with(name))
}

fn is_open_to_all(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & 0o002 != 0)
}
