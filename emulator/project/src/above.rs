//! The package that a file or a folder of handlers belongs to, when its package.json is above it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::CONFIG_FILE;
use super::discover::HANDLERS;

/// The nearest folder above with a package.json. Ends at the repository's or the project's folder,
/// and before the person's home and folders that every user may write to: a package.json there was
/// not written for this code.
pub(super) fn package_above(folder: &Path) -> Option<PathBuf> {
    let home = std::env::home_dir();
    let mut below = folder;
    for above in folder.ancestors().skip(1) {
        let ends = below.join(".git").exists() || below.join(CONFIG_FILE).is_file();
        if ends || home.as_deref() == Some(above) || is_open_to_all(above) {
            return None;
        }
        if above.join("package.json").is_file() {
            return Some(above.to_owned());
        }
        below = above;
    }
    None
}

/// Returns whether a folder is one in which fnlocal looks for handlers, and no package by itself.
pub(super) fn holds_handlers(folder: &Path) -> bool {
    let own = ["package.json", CONFIG_FILE];
    HANDLERS.iter().any(|name| folder.ends_with(name))
        && !own.iter().any(|name| folder.join(name).is_file())
}

fn is_open_to_all(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & 0o002 != 0)
}
