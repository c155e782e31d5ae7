//! Ignore files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{IGNORE_FILES, open_within};

/// Bytes of an ignore file that count.
const MAX_RULES_BYTES: u64 = 1 << 20;

/// The rules for ignored files in a folder: its own ignore files and those above. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Rules(Option<Arc<Level>>);

#[derive(Debug)]
struct Level {
    above: Rules,
    /// In the order of [`IGNORE_FILES`].
    files: [Gitignore; 2],
}

impl Rules {
    /// Rules from above a package, out of the folders of [`folders_above`].
    pub fn above(folders: &[PathBuf], root: &Path) -> Self {
        let Some(top) = folders.first() else {
            return Self::default();
        };
        let mut rules = Self::default();
        for folder in folders {
            if folder != top && rules.ignores(folder, true) {
                return Self::default();
            }
            rules = rules.enter(folder);
        }
        // A person who runs an ignored folder wants it all the same.
        if rules.ignores(root, true) {
            Self::default()
        } else {
            rules
        }
    }

    /// Rules inside `folder`, with its own files'.
    pub fn enter(&self, folder: &Path) -> Self {
        let files = IGNORE_FILES.map(|name| {
            let path = folder.join(name);
            let mut builder = GitignoreBuilder::new(folder);
            // A link is not followed, and a pattern that does not parse is left out, as git does.
            let lines = read_rules(folder, name).unwrap_or_default();
            for line in lines.lines() {
                let _ = builder.add_line(Some(path.clone()), line);
            }
            builder.build().unwrap_or_else(|_| Gitignore::empty())
        });
        if files.iter().all(Gitignore::is_empty) {
            return self.clone();
        }
        Self(Some(Arc::new(Level {
            above: self.clone(),
            files,
        })))
    }

    /// Returns whether a path is ignored, not looking at whether a folder above it is.
    pub fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        for kind in 0..IGNORE_FILES.len() {
            let mut rules = self;
            while let Some(level) = &rules.0 {
                match level.files[kind].matched(path, is_folder) {
                    Match::Ignore(_) => return true,
                    Match::Whitelist(_) => return false,
                    Match::None => rules = &level.above,
                }
            }
        }
        false
    }

    /// Returns whether `.fnlocalignore` asks for a path that would be left out otherwise.
    pub fn asks_for(&self, path: &Path) -> bool {
        let mut rules = self;
        while let Some(level) = &rules.0 {
            match level.files[0].matched(path, false) {
                Match::Ignore(_) => return false,
                Match::Whitelist(_) => return true,
                Match::None => rules = &level.above,
            }
        }
        false
    }

    /// Returns whether both are the same rules, not merely alike.
    pub fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// The text of an ignore file; nothing for one that is none.
fn read_rules(folder: &Path, name: &str) -> Option<String> {
    let file = open_within(folder, Path::new(name)).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_RULES_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Folders above a package whose ignore files count, outermost first: from the git root, or else
/// from the project.
pub(super) fn folders_above(project: &Path, root: &Path) -> Vec<PathBuf> {
    let top = project
        .ancestors()
        .find(|folder| folder.join(".git").exists());
    let top = top.unwrap_or(project);
    let above = root.ancestors().skip(1);
    let mut folders: Vec<PathBuf> = above
        .take_while(|folder| folder.starts_with(top))
        .map(Path::to_owned)
        .collect();
    folders.reverse();
    folders
}
