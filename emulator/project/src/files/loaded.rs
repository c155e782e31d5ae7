//! The files that code loads, by its sources: so that files that git ignores are watched if code
//! needs them.
//!
//! Sources are searched for relative imports, from the entries on. An import that leads nowhere
//! counts too: what it asks for may be built in a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use regex::{Captures, Regex};

use super::{Stamp, open_within};
use crate::Package;
use crate::discover::EXTENSIONS;

/// The maximum number of files that are searched for imports.
const MAX_FILES: usize = 5_000;
/// The bytes of a file that are searched.
const MAX_BYTES: u64 = 4 << 20;
/// Endings of what Node loads besides code.
const DATA: [&str; 3] = ["json", "node", "wasm"];

/// The name in an import or a `require`; or else a path beside the module's URL, or the texts that
/// are joined to `__dirname`.
static IMPORTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let text = r#"\s*["'`]([^"'`\n]{1,300})["'`]"#;
    let module = r"\b(?:from|import|require(?:\.resolve)?)\s*\(?";
    let url = r"\bURL\s*\(";
    let folder = r"(?:__dirname|\bimport\.meta\.dirname)";
    let joined = r#"((?:\s*[,+]\s*["'`][^"'`\n]{1,300}["'`]){1,20})"#;
    let inside = r#"\$\{\s*(?:__dirname|import\.meta\.dirname)\s*\}([^"'`$\n]{1,300})"#;
    let all = format!("{module}{text}|{url}{text}|{folder}{joined}|{inside}");
    Regex::new(&all).ok()
});

/// Ends a path that code reads, which may be a folder's. Imports never end so.
const READ: char = '/';

/// Files of a package that its code loads, relative to the package; those that are missing too.
/// Folders that it reads end in [`READ`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedFiles(BTreeSet<String>);

/// The imports of files, so that only files that changed are read again.
#[derive(Debug, Default)]
pub struct ImportMemo(BTreeMap<PathBuf, (Stamp, Arc<[String]>)>);

impl LoadedFiles {
    /// Finds what a package's entries load, and what that loads.
    pub fn of(package: &Package, memo: &mut ImportMemo) -> Self {
        let mut loaded = BTreeSet::new();
        let mut waiting: Vec<String> = package.entries.clone();
        let mut searched = 0;
        while let Some(file) = waiting.pop() {
            if !loaded.insert(file.clone()) || searched == MAX_FILES {
                continue;
            }
            if !is_source(&file) {
                continue;
            }
            searched += 1;
            for import in memo.imports(&package.root, &file).iter() {
                match resolve(&package.root, &file, import) {
                    Resolved::File(found) => waiting.push(found),
                    Resolved::Folder(found) => drop(loaded.insert(format!("{found}{READ}"))),
                    Resolved::Missing(candidates) => loaded.extend(candidates),
                    Resolved::Elsewhere => {}
                }
            }
        }
        Self(loaded)
    }

    /// The paths of all of them.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns whether a path that git ignores has to be watched: something in the folder is
    /// loaded, or the file is, or it is code in a folder that is watched, or it is in a folder that
    /// code reads.
    pub(super) fn needs(&self, relative: &str, is_folder: bool) -> bool {
        let mut above = relative
            .match_indices('/')
            .map(|(end, _)| &relative[..=end]);
        if above.any(|folder| self.0.contains(folder)) {
            return true;
        }
        if !is_folder {
            return self.0.contains(relative) || is_source(relative);
        }
        let inside = format!("{relative}/");
        let mut from = self.0.range(inside.clone()..);
        from.next().is_some_and(|first| first.starts_with(&inside))
    }
}

impl ImportMemo {
    fn imports(&mut self, root: &Path, file: &str) -> Arc<[String]> {
        let path = root.join(file);
        let now = SystemTime::now();
        let Ok(stamp) = fs::metadata(&path).as_ref().map(Stamp::of) else {
            return Arc::default();
        };
        if let Some((known, imports)) = self.0.get(&path)
            && *known == stamp
        {
            return Arc::clone(imports);
        }
        let imports: Arc<[String]> = read(root, file).map_or_else(Arc::default, |text| {
            let found = IMPORTS.iter().flat_map(|regex| regex.captures_iter(&text));
            found.filter_map(|found| relative(&found)).collect()
        });
        if stamp.would_show(now) {
            self.0.insert(path, (stamp, Arc::clone(&imports)));
        }
        imports
    }
}

/// The path that is named, with a dot at its beginning; one that is read ends in [`READ`]. `None` for
/// the name of a package.
fn relative(found: &Captures<'_>) -> Option<String> {
    let at = |group: usize| found.get(group).map(|found| found.as_str());
    if let Some(module) = at(1) {
        return module
            .starts_with('.')
            .then(|| module.trim_end_matches(READ).to_owned());
    }
    let path = match (at(2), at(3), at(4)) {
        (Some(url), _, _) if url.contains(':') => return None,
        (Some(path), _, _) | (_, _, Some(path)) => path.to_owned(),
        (_, Some(texts), _) => joined(texts),
        _ => return None,
    };
    Some(format!("./{}{READ}", path.trim_matches('/')))
}

/// The path of quoted texts with commas or plus signs between them.
fn joined(texts: &str) -> String {
    let quoted = texts.split(['"', '\'', '`']).skip(1).step_by(2);
    quoted
        .map(|text| text.trim_matches('/'))
        .collect::<Vec<_>>()
        .join("/")
}

/// The text of a file of a package. A link is not followed: what it leads to is watched anyway.
fn read(root: &Path, file: &str) -> Option<String> {
    let file = open_within(root, Path::new(file)).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where an import leads.
enum Resolved {
    File(String),
    /// All that is in the folder may be read.
    Folder(String),
    /// The files that it might mean, none of which exists.
    Missing(Vec<String>),
    /// To an installed package, or out of the package.
    Elsewhere,
}

fn resolve(root: &Path, importer: &str, import: &str) -> Resolved {
    let import = import.split(['?', '#']).next().unwrap_or_default();
    let Some(target) = beside(importer, import) else {
        return Resolved::Elsewhere;
    };
    if import.ends_with(READ) && root.join(&target).is_dir() {
        return Resolved::Folder(target);
    }
    let mut candidates = vec![target.clone()];
    // TypeScript names what a file will be compiled to.
    if let Some((stem, ending)) = target.rsplit_once('.') {
        let source = ending.replacen("js", "ts", 1);
        if source != ending {
            candidates.push(format!("{stem}.{source}"));
        }
    }
    let endings = || EXTENSIONS.into_iter().chain(DATA);
    candidates.extend(endings().map(|ending| format!("{target}.{ending}")));
    candidates.extend(endings().map(|ending| format!("{target}/index.{ending}")));
    let there = |path: &&String| root.join(path).is_file();
    match candidates.iter().find(there) {
        Some(found) => Resolved::File(found.clone()),
        None => Resolved::Missing(candidates),
    }
}

/// The path of what stands beside a file, relative to the package. `None` outside of it.
fn beside(importer: &str, import: &str) -> Option<String> {
    let mut parts: Vec<&str> = importer.split('/').collect();
    parts.pop();
    for part in Path::new(import).components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Returns whether a file is code by its name.
fn is_source(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| EXTENSIONS.contains(&ending))
}
