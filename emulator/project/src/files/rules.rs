//! Ignore files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{IGNORE_FILES, open_within};

/// The places of the two kinds in [`IGNORE_FILES`].
const CODE: usize = 0;
const GIT: usize = 1;

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
    /// Rules from above a package, out of the folders of [`folders_above`]. A kind of ignore file
    /// that names the package's folder is not read: a person who runs it wants it all the same.
    pub fn above(folders: &[PathBuf], root: &Path) -> Self {
        let mut kinds = [true; IGNORE_FILES.len()];
        let mut rules = Self::default();
        for folder in folders {
            for (kind, counts) in kinds.iter_mut().enumerate() {
                *counts &= !rules.matches(kind, folder, true).unwrap_or(false);
            }
            rules = rules.enter_with(folder, kinds);
        }
        for (kind, counts) in kinds.iter_mut().enumerate() {
            *counts &= !rules.matches(kind, root, true).unwrap_or(false);
        }
        folders.iter().fold(Self::default(), |rules, folder| {
            rules.enter_with(folder, kinds)
        })
    }

    /// Rules inside `folder`, with its own files'.
    pub fn enter(&self, folder: &Path) -> Self {
        self.enter_with(folder, [true; IGNORE_FILES.len()])
    }

    fn enter_with(&self, folder: &Path, kinds: [bool; IGNORE_FILES.len()]) -> Self {
        let mut kinds = kinds.into_iter();
        let files = IGNORE_FILES.map(|name| {
            if !kinds.next().unwrap_or(true) {
                return Gitignore::empty();
            }
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

    /// Returns whether a path is no code. Does not look at folders above it.
    pub fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        self.matches(CODE, path, is_folder) == Some(true)
    }

    /// Returns whether a path need not be watched unless code loads it. Does not look at
    /// folders above it.
    pub fn unwatched(&self, path: &Path, is_folder: bool) -> bool {
        let code = self.matches(CODE, path, is_folder);
        code.or_else(|| self.matches(GIT, path, is_folder)) == Some(true)
    }

    /// Returns whether `.fnlocalignore` asks for a path that would be left out otherwise.
    pub fn asks_for(&self, path: &Path) -> bool {
        self.matches(CODE, path, false) == Some(false)
    }

    /// Returns whether ignore files of one kind name a path; `Some(false)` if they take it
    /// back by `!`, `None` if no rule matches.
    fn matches(&self, kind: usize, path: &Path, is_folder: bool) -> Option<bool> {
        let mut rules = self;
        while let Some(level) = &rules.0 {
            match level.files[kind].matched(path, is_folder) {
                Match::Ignore(_) => return Some(true),
                Match::Whitelist(_) => return Some(false),
                Match::None => rules = &level.above,
            }
        }
        None
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
    let bytes = fnlocal_files::without_mark(&bytes);
    Some(String::from_utf8_lossy(bytes).into_owned())
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
