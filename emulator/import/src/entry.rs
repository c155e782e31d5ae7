//! From a handler as other platforms name it, `src/users.list`, to a file and its export.

use std::path::{Component, Path};

use super::imported::HandlerPlace;

/// Endings of files of code, in the order they are looked for.
const ENDINGS: [&str; 6] = ["js", "mjs", "cjs", "ts", "mts", "cts"];

/// Finds the file of a handler such as `src/users.list` in a folder of the project. `None` if there is none.
pub fn handler(root: &Path, folder: &str, handler: &str) -> Option<HandlerPlace> {
    let (file, export) = handler.rsplit_once('.')?;
    let folder = plain(folder)?;
    let file = file_of(&root.join(&folder), file)?;
    place(root, &folder, &file, export)
}

/// The file of code at a path, which may have its ending or one of another form of its source.
pub fn file_of(folder: &Path, file: &str) -> Option<String> {
    let file = plain(file)?;
    if folder.join(&file).is_file() {
        return Some(file);
    }
    let stem = file.strip_suffix(".js").unwrap_or(&file);
    let all = ENDINGS.iter().map(|ending| format!("{stem}.{ending}"));
    let index = ENDINGS
        .iter()
        .map(|ending| format!("{stem}/index.{ending}"));
    all.chain(index).find(|path| folder.join(path).is_file())
}

/// A file's place in its package: the nearest folder at or above it that has a package.json.
pub fn place(root: &Path, folder: &str, file: &str, export: &str) -> Option<HandlerPlace> {
    let whole = if folder.is_empty() {
        file.to_owned()
    } else {
        format!("{folder}/{file}")
    };
    let above = Path::new(&whole).ancestors().skip(1);
    let mut packages = above.filter_map(Path::to_str);
    let package = packages.find(|above| root.join(above).join("package.json").is_file());
    // Without any, the project is one package.
    let package = package.unwrap_or_default();
    let inside = whole.strip_prefix(package)?.trim_start_matches('/');
    Some(HandlerPlace {
        package: package.to_owned(),
        file: inside.to_owned(),
        export: export.to_owned(),
    })
}

/// A relative path without dots. `None` if it leads out of the project.
pub fn plain(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str()?),
            _ => return None,
        }
    }
    Some(parts.join("/"))
}

/// The stems of files of code in a folder, sorted, and of folders with an index.
pub fn handlers(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| {
            let Some((stem, ending)) = name.rsplit_once('.') else {
                let index = file_of(&folder.join(&name), "index");
                return index.map(|_| name);
            };
            let known = ENDINGS.contains(&ending) && !stem.starts_with(['.', '_']);
            (known && function_name(stem) == stem).then(|| stem.to_owned())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A name that a function may have.
pub fn function_name(name: &str) -> String {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = name
        .chars()
        .map(|c| if known(c) { c } else { '-' })
        .take(64)
        .collect();
    match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() || first == '_' => name,
        _ => format!("f{}", name.chars().take(63).collect::<String>()),
    }
}
