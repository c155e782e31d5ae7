//! Workspaces of npm, Yarn and pnpm.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use serde_json::{Map, Value};

use crate::is_excluded;
use crate::node::install::MANIFEST;
use fnlocal_files::open_within;

/// Where pnpm names a workspace's members.
const PNPM: &str = "pnpm-workspace.yaml";
/// How deep a glob of a workspace is followed.
const GLOB_DEPTH: usize = 6;
/// Bytes of a manifest that are read.
const MAX_BYTES: u64 = 8 << 20;

/// A workspace: a folder whose members' dependencies are installed together.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Its folder, which holds the lock file.
    pub root: PathBuf,
    /// Folders of its members, by the members' names.
    pub members: BTreeMap<String, PathBuf>,
}

impl Workspace {
    /// The workspace that a package's folder is the root or a member of. Looked for up to the
    /// repository's folder.
    pub fn around(package: &Path) -> Option<Self> {
        for root in package.ancestors() {
            let patterns = Patterns::of(root);
            if !patterns.is_empty() && (root == package || patterns.take(root, package)) {
                return Some(Self {
                    members: patterns.members(root),
                    root: root.to_owned(),
                });
            }
            if root.join(".git").exists() {
                return None;
            }
        }
        None
    }
}

/// Globs of members, and those that take members out again.
#[derive(Default)]
struct Patterns {
    members: Vec<GlobMatcher>,
    /// The globs of members as they are written.
    texts: Vec<String>,
    without: Vec<GlobMatcher>,
}

impl Patterns {
    fn of(root: &Path) -> Self {
        let mut patterns = Self::default();
        for text in named(root) {
            let out = text.starts_with('!');
            let text = text.trim_start_matches('!').trim_start_matches("./");
            let text = text.trim_end_matches('/');
            let Ok(glob) = GlobBuilder::new(text).literal_separator(true).build() else {
                continue;
            };
            if out {
                patterns.without.push(glob.compile_matcher());
            } else {
                patterns.members.push(glob.compile_matcher());
                patterns.texts.push(text.to_owned());
            }
        }
        patterns
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn take(&self, root: &Path, folder: &Path) -> bool {
        let Ok(relative) = folder.strip_prefix(root) else {
            return false;
        };
        let any = |globs: &[GlobMatcher]| globs.iter().any(|glob| glob.is_match(relative));
        any(&self.members) && !any(&self.without)
    }

    fn members(&self, root: &Path) -> BTreeMap<String, PathBuf> {
        let mut members = BTreeMap::new();
        for text in &self.texts {
            // Braces may hold a slash: all folders are looked at then.
            let parts: Vec<&str> = match text.contains('{') {
                true => vec!["**", "*"],
                false => text.split('/').collect(),
            };
            for folder in expand(root, &parts, GLOB_DEPTH) {
                if self.take(root, &folder)
                    && let Some(manifest) = read_manifest(&folder)
                    && let Some(name) = manifest.get("name").and_then(Value::as_str)
                {
                    members.entry(name.to_owned()).or_insert(folder);
                }
            }
        }
        members
    }
}

/// The folders that a glob names, given its parts. Only folders that lead there are listed.
fn expand(folder: &Path, parts: &[&str], depth: usize) -> Vec<PathBuf> {
    let Some((part, rest)) = parts.split_first() else {
        return vec![folder.to_owned()];
    };
    if depth == 0 {
        return Vec::new();
    }
    if *part == "**" {
        let deeper = folders_in(folder).into_iter();
        let mut found = expand(folder, rest, depth);
        found.extend(deeper.flat_map(|inside| expand(&inside, parts, depth - 1)));
        return found;
    }
    if !part.contains(['*', '?', '[']) {
        let inside = folder.join(part);
        return match inside.is_dir() {
            true => expand(&inside, rest, depth - 1),
            false => Vec::new(),
        };
    }
    let Ok(glob) = GlobBuilder::new(part).build() else {
        return Vec::new();
    };
    let glob = glob.compile_matcher();
    let fits = |path: &PathBuf| path.file_name().is_some_and(|name| glob.is_match(name));
    let inside = folders_in(folder).into_iter().filter(fits);
    inside
        .flat_map(|inside| expand(&inside, rest, depth - 1))
        .collect()
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| !entry.file_name().to_str().is_none_or(is_excluded))
        .map(|entry| entry.path())
        .collect()
}

/// The globs by which a folder names its members.
fn named(root: &Path) -> Vec<String> {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let manifest = read_manifest(root).unwrap_or_default();
    let mut named = match manifest.get("workspaces") {
        Some(Value::Object(map)) => map.get("packages").map(texts).unwrap_or_default(),
        Some(list) => texts(list),
        None => Vec::new(),
    };
    if let Some(text) = read(root, PNPM) {
        named.extend(listed(&text));
    }
    named
}

/// The list below `packages:` of a YAML text, which is all that matters here.
fn listed(text: &str) -> Vec<String> {
    let mut lines = text
        .lines()
        .skip_while(|line| line.trim_end() != "packages:");
    lines.next();
    let lines = lines.map(str::trim).filter(|line| !line.starts_with('#'));
    let items = lines
        .filter(|line| !line.is_empty())
        .map_while(|line| line.strip_prefix('-'));
    items
        .map(|item| item.split(" #").next().unwrap_or(item))
        .map(|item| item.trim().trim_matches(['\'', '"']).to_owned())
        .collect()
}

/// The package.json of a folder; `None` if there is none, or none that can be read.
pub(in crate::node) fn read_manifest(folder: &Path) -> Option<Map<String, Value>> {
    serde_json::from_str(&read(folder, MANIFEST)?).ok()
}

fn read(folder: &Path, name: &str) -> Option<String> {
    use std::io::Read;
    let file = open_within(folder, Path::new(name)).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    fnlocal_files::decode(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_list_of_pnpm_workspace_yaml_is_parsed() {
        let text = "# all\ncatalog:\n  a: 1\npackages:\n  # ours\n  - 'packages/*' # libs\n  - \"!packages/old\"\n\n  - apps/**\nonlyBuiltDependencies:\n  - esbuild\n";
        assert_eq!(listed(text), ["packages/*", "!packages/old", "apps/**"]);
        assert_eq!(listed("packages: []\n"), [""; 0]);
    }
}
