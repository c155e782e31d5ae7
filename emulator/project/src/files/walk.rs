//! The walk itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::memo::{Child, Listing};
use super::{Memo, Rules, Tree, Visit, WalkEntry, WalkError, is_excluded, output, secret};

pub(super) fn walk(tree: &Tree, memo: &mut Memo, visit: Visit<'_>) -> Result<(), WalkError> {
    let rules = memo.above(tree);
    let old = memo.turn();
    let mut walk = Walk {
        tree,
        memo,
        old,
        visit,
        inside: vec![tree.root.clone()],
    };
    walk.folder(&tree.root, "", &rules)
}

struct Walk<'a> {
    tree: &'a Tree,
    memo: &'a mut Memo,
    /// The entries of the walk before.
    old: BTreeMap<Arc<str>, Arc<Listing>>,
    visit: Visit<'a>,
    /// The folders the walk is in, without links, so that links cannot lead in circles.
    inside: Vec<PathBuf>,
}

fn is_left_out(name: &str) -> bool {
    is_excluded(name) || secret(name).is_some()
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, relative: &str, rules: &Rules) -> Result<(), WalkError> {
        let real = self.inside.last().unwrap_or(&self.tree.root).clone();
        self.tell(WalkEntry::Folder {
            path,
            real: &real,
            rules,
        })?;
        let listing = match self
            .memo
            .list(&self.old, self.tree, (path, relative), rules)
        {
            Ok(listing) => listing,
            Err(source) if relative.is_empty() => {
                return Err(WalkError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
            // Gone since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) => {
                return self.tell(WalkEntry::LeftOut {
                    path,
                    why: "it cannot be read",
                });
            }
        };
        for path in &listing.unnamed {
            self.tell(WalkEntry::LeftOut {
                path,
                why: "its name is not UTF-8",
            })?;
        }
        for path in &listing.secrets {
            self.tell(WalkEntry::LeftOut {
                path,
                why: "it may hold a secret; `!` and its name in .fnlocalignore takes it in",
            })?;
        }
        for child in &listing.children {
            if child.kind.is_symlink() {
                self.link(child)?;
            } else if child.kind.is_dir() {
                let name = child.path.file_name().unwrap_or_default();
                let real = real.join(name);
                self.enter(child, real)?;
            } else {
                let name = child.path.file_name().unwrap_or_default();
                self.file(child, &real.join(name), None)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, child: &Child, real: &Path, target: Option<&Path>) -> Result<(), WalkError> {
        let Child { relative, path, .. } = child;
        match fs::symlink_metadata(real) {
            // Every line about a reload would be a reason for the next.
            Ok(metadata) if output::goes_to(&metadata) => self.tell(WalkEntry::LeftOut {
                path,
                why: "fnlocal's own output is written to it",
            }),
            Ok(metadata) if metadata.is_file() => self.tell(WalkEntry::File {
                relative,
                path,
                real,
                metadata: &metadata,
                target,
            }),
            // A socket or a pipe; or gone since it was listed.
            _ => Ok(()),
        }
    }

    fn enter(&mut self, child: &Child, real: PathBuf) -> Result<(), WalkError> {
        if self.inside.contains(&real) {
            return self.tell(WalkEntry::LeftOut {
                path: &child.path,
                why: "the link leads back to a folder it is in",
            });
        }
        self.inside.push(real);
        let result = self.folder(&child.path, &child.relative, &child.rules);
        self.inside.pop();
        result
    }

    fn link(&mut self, child: &Child) -> Result<(), WalkError> {
        let link = child.path.as_path();
        let Ok(target) = fs::canonicalize(link) else {
            return self.tell(WalkEntry::LeftOut {
                path: link,
                why: "the link leads nowhere",
            });
        };
        let Ok(inside) = target.strip_prefix(&self.tree.project) else {
            return Err(WalkError::Escape {
                link: link.to_owned(),
                target,
            });
        };
        if inside
            .iter()
            .any(|part| part.to_str().is_none_or(is_left_out))
        {
            let why = "the link leads to what is never part of code";
            return self.tell(WalkEntry::LeftOut { path: link, why });
        }
        if target.is_dir() {
            return self.enter(child, target);
        }
        self.file(child, &target, Some(&target))
    }

    fn tell(&mut self, found: WalkEntry<'_>) -> Result<(), WalkError> {
        if (self.visit)(found) {
            Ok(())
        } else {
            Err(WalkError::Stopped)
        }
    }
}
