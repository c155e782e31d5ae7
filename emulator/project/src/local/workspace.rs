//! Workspaces of npm, Yarn and pnpm.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use serde_json::{Map, Value};

use crate::files::{is_excluded, open_within};

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
    without: Vec<GlobMatcher>,
}

impl Patterns {
    fn of(root: &Path) -> Self {
        let mut patterns = Self::default();
        for text in named(root) {
            let (list, text) = match text.strip_prefix('!') {
                Some(rest) => (&mut patterns.without, rest.to_owned()),
                None => (&mut patterns.members, text),
            };
            let text = text.trim_start_matches("./").trim_end_matches('/');
            let glob = GlobBuilder::new(text).literal_separator(true).build();
            list.extend(glob.ok().map(|glob| glob.compile_matcher()));
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
        self.descend(root, root, GLOB_DEPTH, &mut members);
        members
    }

    fn descend(
        &self,
        root: &Path,
        folder: &Path,
        depth: usize,
        members: &mut BTreeMap<String, PathBuf>,
    ) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for entry in folders {
            let name = entry.file_name();
            if name.to_str().is_none_or(is_excluded) {
                continue;
            }
            let path = entry.path();
            if self.take(root, &path)
                && let Some(manifest) = read_manifest(&path)
                && let Some(name) = manifest.get("name").and_then(Value::as_str)
            {
                members.entry(name.to_owned()).or_insert(path.clone());
            }
            if depth > 1 {
                self.descend(root, &path, depth - 1, members);
            }
        }
    }
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
pub(super) fn read_manifest(folder: &Path) -> Option<Map<String, Value>> {
    serde_json::from_str(&read(folder, "package.json")?).ok()
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
    fn pnpms_list_is_read_with_quotes_comments_and_what_follows_it() {
        let text = "# all\ncatalog:\n  a: 1\npackages:\n  # ours\n  - 'packages/*' # libs\n  - \"!packages/old\"\n\n  - apps/**\nonlyBuiltDependencies:\n  - esbuild\n";
        assert_eq!(listed(text), ["packages/*", "!packages/old", "apps/**"]);
        assert_eq!(listed("packages: []\n"), [""; 0]);
    }
}
