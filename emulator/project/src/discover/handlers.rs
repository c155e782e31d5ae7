//! Folders in which each file is an entry.

use std::path::Path;

use super::{children, index, is_code, is_skipped};

/// Folders of a package in which each file is an entry, in the order they are looked for.
pub const HANDLERS: [&str; 3] = ["functions", "api", "netlify/functions"];

/// The handlers of a package: those of the first folder that has some and is no package itself.
pub(super) fn all(root: &Path) -> Vec<String> {
    let mut folders = HANDLERS.iter().filter(|name| {
        let folder = root.join(name);
        let is_package = folder.join("package.json").is_file();
        // One with an index is found as a package of its own.
        !is_package || (**name == "functions" && index(&folder).is_none())
    });
    let found = folders.find_map(|name| {
        let entries = of_folder(root, name);
        (!entries.is_empty()).then_some(entries)
    });
    found.unwrap_or_default()
}

/// `FOLDER/*.js`, and `FOLDER/*/index.js` of folders that are no packages of their own.
pub(super) fn of_folder(root: &Path, folder: &str) -> Vec<String> {
    let mut entries = Vec::new();
    let whole = root.join(folder);
    for name in children(&whole) {
        let path = whole.join(&name);
        if path.is_file() && is_code(&name) {
            entries.push(format!("{folder}/{name}"));
        } else if path.is_dir() && !is_skipped(&name) && !path.join("package.json").is_file() {
            entries.extend(index(&path).map(|index| format!("{folder}/{name}/{index}")));
        }
    }
    entries
}

/// The entries that fnlocal.toml names and that are a package's own: none of a package below it.
pub(super) fn named(root: &Path, project: &Path, entries: Option<&[String]>) -> Vec<String> {
    let own = |entry: &String| {
        let plain = super::plain(entry)?;
        let path = project.join(plain);
        let inside = path.strip_prefix(root).ok()?.to_str()?.to_owned();
        let nearest = path.ancestors().skip(1);
        let nearest = nearest.take_while(|above| *above != root);
        let mut between = nearest.filter(|above| above.join("package.json").is_file());
        (path.is_file() && between.next().is_none()).then_some(inside)
    };
    entries.into_iter().flatten().filter_map(own).collect()
}

/// The name of a handler's file in a folder of handlers, or of its folder for an index.
pub fn named_after(entry: &str) -> Option<String> {
    let mut parts = entry.rsplit('/');
    let (stem, _) = parts.next()?.split_once('.')?;
    let folder = parts.next()?;
    let is_handlers = |name: &str| ["functions", "api"].contains(&name);
    match stem {
        "index" => is_handlers(parts.next()?).then(|| folder.to_owned()),
        stem => is_handlers(folder).then(|| stem.to_owned()),
    }
}
