//! Folders in which each file is an entry.

use std::path::Path;

use fnlocal_language::{Language, of_manifest};

use super::{children, index, is_skipped};

/// Folders of a package in which each file is an entry, in the order they are looked for.
pub const HANDLERS: [&str; 3] = ["functions", "api", "netlify/functions"];

/// The handlers of a package: those of the first folder that has some and is no package itself.
pub(super) fn all(language: &dyn Language, root: &Path) -> Vec<String> {
    let mut folders = HANDLERS.iter().filter(|name| {
        let folder = root.join(name);
        let package = of_manifest(&folder);
        // One with an index is found as a package of its own.
        let is_apart = |language| **name != "functions" || index(language, &folder).is_some();
        !package.is_some_and(is_apart)
    });
    let found = folders.find_map(|name| {
        let entries = of_folder(language, root, name);
        (!entries.is_empty()).then_some(entries)
    });
    found.unwrap_or_default()
}

/// The code in a folder, and the index of each folder in it that is no package of its own.
pub(super) fn of_folder(language: &dyn Language, root: &Path, folder: &str) -> Vec<String> {
    let mut entries = Vec::new();
    let whole = root.join(folder);
    for name in children(&whole) {
        let path = whole.join(&name);
        if path.is_file() && language.is_code(&name) {
            entries.push(format!("{folder}/{name}"));
        } else if path.is_dir() && !is_skipped(&name) && of_manifest(&path).is_none() {
            let index = index(language, &path);
            entries.extend(index.map(|index| format!("{folder}/{name}/{index}")));
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
        let mut between = nearest.filter(|above| of_manifest(above).is_some());
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
    let language = fnlocal_language::of_source(entry);
    match language.is_some_and(|language| language.index() == stem) {
        true => is_handlers(parts.next()?).then(|| folder.to_owned()),
        false => is_handlers(folder).then(|| stem.to_owned()),
    }
}
