//! Which files belong to a package: the one walk that copying and watching share.
//!
//! Ignored is what `.gitignore` and `.fnlocalignore` say, from the git root (or the project) down to
//! the file; the latter wins. A person's global gitignore is not read, so that the same folder gives
//! the same code on every machine.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{Package, Scope};

/// Names of ignore files, the stronger first.
pub(crate) const IGNORE_FILES: [&str; 2] = [".fnlocalignore", ".gitignore"];

/// Where to walk.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub root: PathBuf,
    project: PathBuf,
    nested: Vec<PathBuf>,
    entries: Vec<String>,
    scope: Scope,
}

/// What the walk comes by.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A folder, before it is read; with the rules for what is in it, except its own files'.
    /// `real` is where it is without links.
    Folder {
        path: &'a Path,
        real: &'a Path,
        rules: &'a Rules,
    },
    /// A file, through links; `target` is where a link leads.
    File {
        relative: &'a str,
        path: &'a Path,
        metadata: &'a Metadata,
        target: Option<&'a Path>,
    },
    /// Something left out that somebody may miss, and why.
    LeftOut { path: &'a Path, why: &'static str },
}

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum WalkError {
    /// A link leads out of the project.
    Escape { link: PathBuf, target: PathBuf },
    /// The root cannot be read.
    Io { path: PathBuf, source: io::Error },
    /// The visitor had enough.
    Stopped,
}

/// Receives what the walk comes by; false ends the walk.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Found<'_>) -> bool;

/// Whether a name never belongs to code: version control, installed packages, secrets, our own
/// state, and files editors keep while somebody types.
pub(crate) fn is_excluded(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        ".git",
        ".hg",
        ".svn",
        "node_modules",
        ".fnlocal",
        ".DS_Store",
        "4913",
    ];
    const ENDS: [&str; 6] = [".swp", ".swo", ".swx", "~", "___jb_tmp___", "___jb_old___"];
    NAMES.contains(&name)
        || name.starts_with(".env")
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#'))
        || ENDS.iter().any(|end| name.ends_with(end))
}

impl Tree {
    pub fn of(package: &Package) -> Self {
        Self {
            root: package.root.clone(),
            project: package.project_root.clone(),
            nested: package.nested.clone(),
            entries: package.entries.clone(),
            scope: package.scope,
        }
    }

    /// Walks everything that belongs to the package, folders before what is in them.
    pub fn walk(&self, visit: Visit<'_>) -> Result<(), WalkError> {
        let mut walk = Walk {
            tree: self,
            visit,
            inside: vec![self.root.clone()],
        };
        let rules = Rules::above(&self.project, &self.root);
        walk.folder(&self.root, "", &rules)
    }

    /// Whether something belongs to the package, given that the folder it is in does.
    pub fn takes(&self, path: &Path, is_folder: bool, rules: &Rules) -> bool {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return false;
        };
        let relative = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
        let entry = relative.is_some_and(|relative| self.leads_to_entry(relative));
        let nested = is_folder && self.nested.iter().any(|nested| nested == path);
        !nested
            && !is_excluded(name)
            && (entry || (self.scope == Scope::Folder && !rules.ignores(path, is_folder)))
    }

    /// Whether an entry is at or below a path.
    fn leads_to_entry(&self, relative: &str) -> bool {
        self.entries.iter().any(|entry| {
            entry
                .strip_prefix(relative)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    visit: Visit<'a>,
    /// The folders the walk is in, without links, so that links cannot lead in circles.
    inside: Vec<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, relative: &str, rules: &Rules) -> Result<(), WalkError> {
        let real = self.inside.last().unwrap_or(&self.tree.root).clone();
        self.tell(Found::Folder {
            path,
            real: &real,
            rules,
        })?;
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(source) if relative.is_empty() => {
                return Err(WalkError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
            // Gone since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) => {
                return self.tell(Found::LeftOut {
                    path,
                    why: "it cannot be read",
                });
            }
        };
        let mut children = Vec::new();
        for entry in entries.flatten() {
            match (entry.file_name().into_string(), entry.file_type()) {
                (Ok(name), Ok(kind)) => children.push((name, kind)),
                (Err(_), _) => {
                    self.tell(Found::LeftOut {
                        path: &entry.path(),
                        why: "its name is not UTF-8",
                    })?;
                }
                (_, Err(_)) => {}
            }
        }
        children.sort_by(|a, b| a.0.cmp(&b.0));
        let rules = if children
            .iter()
            .any(|(name, _)| IGNORE_FILES.contains(&name.as_str()))
        {
            &rules.enter(path)
        } else {
            rules
        };
        for (name, kind) in children.iter().filter(|(name, _)| !is_excluded(name)) {
            let path = path.join(name);
            let relative = if relative.is_empty() {
                name.clone()
            } else {
                format!("{relative}/{name}")
            };
            self.child(&path, &relative, *kind, rules)?;
        }
        Ok(())
    }

    fn child(
        &mut self,
        path: &Path,
        relative: &str,
        kind: fs::FileType,
        rules: &Rules,
    ) -> Result<(), WalkError> {
        let mut target = None;
        let mut is_folder = kind.is_dir();
        if self.tree.scope == Scope::File && !self.tree.leads_to_entry(relative) {
            return Ok(());
        }
        if is_folder && self.tree.nested.iter().any(|nested| nested == path) {
            return Ok(());
        }
        let none = Rules::default();
        let rules = if rules.ignores(path, is_folder) {
            // An entry that is ignored was built: what was built with it is needed too.
            if !self.tree.leads_to_entry(relative) {
                return Ok(());
            }
            &none
        } else {
            rules
        };
        if kind.is_symlink() {
            let Some(found) = self.follow(path)? else {
                return Ok(());
            };
            is_folder = found.is_dir();
            target = Some(found);
        }
        if is_folder {
            return self.enter(path, relative, target, rules);
        }
        // Through the link, if it is one; gone since it was listed, if it fails.
        let Ok(metadata) = fs::metadata(path) else {
            return Ok(());
        };
        if !metadata.is_file() {
            return Ok(());
        }
        self.tell(Found::File {
            relative,
            path,
            metadata: &metadata,
            target: target.as_deref(),
        })
    }

    fn enter(
        &mut self,
        path: &Path,
        relative: &str,
        target: Option<PathBuf>,
        rules: &Rules,
    ) -> Result<(), WalkError> {
        let real = target.unwrap_or_else(|| match path.file_name() {
            Some(name) => self.inside.last().unwrap_or(&self.tree.root).join(name),
            None => path.to_owned(),
        });
        if self.inside.contains(&real) {
            return self.tell(Found::LeftOut {
                path,
                why: "the link leads back to a folder it is in",
            });
        }
        self.inside.push(real);
        let result = self.folder(path, relative, rules);
        self.inside.pop();
        result
    }

    /// Where a link leads; none when what is there does not belong to code.
    fn follow(&mut self, link: &Path) -> Result<Option<PathBuf>, WalkError> {
        let Ok(target) = fs::canonicalize(link) else {
            self.tell(Found::LeftOut {
                path: link,
                why: "the link leads nowhere",
            })?;
            return Ok(None);
        };
        let Ok(inside) = target.strip_prefix(&self.tree.project) else {
            return Err(WalkError::Escape {
                link: link.to_owned(),
                target,
            });
        };
        if inside
            .iter()
            .any(|part| part.to_str().is_none_or(is_excluded))
        {
            self.tell(Found::LeftOut {
                path: link,
                why: "the link leads to what is never part of code",
            })?;
            return Ok(None);
        }
        Ok(Some(target))
    }

    fn tell(&mut self, found: Found<'_>) -> Result<(), WalkError> {
        if (self.visit)(found) {
            Ok(())
        } else {
            Err(WalkError::Stopped)
        }
    }
}

/// What is ignored in a folder: its own ignore files and those above. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Option<Arc<Level>>);

#[derive(Debug)]
struct Level {
    above: Rules,
    /// In the order of [`IGNORE_FILES`].
    files: [Gitignore; 2],
}

impl Rules {
    /// Rules from above a package: from the git root, or else from the project.
    fn above(project: &Path, root: &Path) -> Self {
        let top = project
            .ancestors()
            .find(|folder| folder.join(".git").exists())
            .unwrap_or(project);
        let mut folders: Vec<&Path> = root
            .ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(top))
            .collect();
        folders.reverse();
        let mut rules = Self::default();
        for folder in folders {
            if folder != top && rules.ignores(folder, true) {
                return Self::default();
            }
            rules = rules.enter(folder);
        }
        // Whoever runs an ignored folder wants it all the same.
        if root != top && rules.ignores(root, true) {
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
            // A pattern that does not parse is left out, as git does.
            if path.is_file() {
                let _ = builder.add(path);
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

    /// Whether a path is ignored, not looking at whether a folder above it is.
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
}
