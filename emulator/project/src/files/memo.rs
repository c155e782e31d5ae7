//! The contents of folders, so that only changed folders are listed again.

use std::collections::BTreeMap;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::rules::folders_above;
use super::{IGNORE_FILES, Rules, Secret, Stamp, Tree, is_excluded, secret};
use crate::Scope;

/// Ignore files there are, as they were.
type IgnoreFiles = Vec<(PathBuf, Stamp)>;

/// The contents of folders.
#[derive(Debug, Default)]
pub struct Memo {
    above: Option<(Vec<PathBuf>, IgnoreFiles, Rules)>,
    /// By path relative to the package.
    folders: BTreeMap<Arc<str>, Arc<Listing>>,
}

/// The contents of a folder that may belong to the package.
#[derive(Debug)]
pub(super) struct Listing {
    /// None when a later change might not show in it.
    stamp: Option<Stamp>,
    /// The rules it was listed under.
    under: Rules,
    /// Its own ignore files, and the rules with them.
    ignore_files: IgnoreFiles,
    rules: Rules,
    /// A later change would show in the ignore files' stamps.
    rules_settled: bool,
    /// Sorted by name.
    pub children: Vec<Child>,
    /// Names that are not UTF-8.
    pub unnamed: Vec<PathBuf>,
    /// Names of possible secrets.
    pub secrets: Vec<PathBuf>,
}

/// Something in a folder.
#[derive(Debug)]
pub(super) struct Child {
    pub relative: Arc<str>,
    pub path: PathBuf,
    pub kind: FileType,
    /// The rules for what is in it, if it is a folder.
    pub rules: Rules,
}

impl Memo {
    /// Rules from above the package.
    pub(super) fn above(&mut self, tree: &Tree) -> Rules {
        let folders = folders_above(&tree.project, &tree.root);
        let files: IgnoreFiles = folders
            .iter()
            .flat_map(|folder| ignore_files(folder))
            .collect();
        if let Some((known, stamps, rules)) = &self.above
            && *known == folders
            && *stamps == files
        {
            return rules.clone();
        }
        let now = SystemTime::now();
        let rules = Rules::above(&folders, &tree.root);
        let settled = files.iter().all(|(_, stamp)| stamp.would_show(now));
        self.above = settled.then(|| (folders, files, rules.clone()));
        rules
    }

    /// Starts a walk: what it does not come by is forgotten.
    pub(super) fn turn(&mut self) -> BTreeMap<Arc<str>, Arc<Listing>> {
        std::mem::take(&mut self.folders)
    }

    /// Returns the contents of a folder, from an earlier walk if it is unchanged.
    pub(super) fn list(
        &mut self,
        old: &BTreeMap<Arc<str>, Arc<Listing>>,
        tree: &Tree,
        folder: (&Path, &str),
        rules: &Rules,
    ) -> io::Result<Arc<Listing>> {
        let now = SystemTime::now();
        let (path, relative) = folder;
        let stamp = Stamp::of(&fs::metadata(path)?);
        let known = old.get_key_value(relative);
        let (name, listing) = match known {
            Some((name, listing)) if listing.still(stamp, rules) => (name, Arc::clone(listing)),
            _ => {
                let known = known.map(|(_, listing)| &**listing);
                let mut listing = Listing::read(tree, folder, rules, known, now)?;
                listing.stamp = stamp.would_show(now).then_some(stamp);
                (&Arc::from(relative), Arc::new(listing))
            }
        };
        self.folders.insert(Arc::clone(name), Arc::clone(&listing));
        Ok(listing)
    }
}

impl Listing {
    fn still(&self, stamp: Stamp, under: &Rules) -> bool {
        self.stamp == Some(stamp) && self.rules_hold(under, None)
    }

    /// Returns whether the rules for the folder's contents are unchanged. A new ignore file would
    /// have changed the folder, so only the known ones need a look.
    fn rules_hold(&self, under: &Rules, files: Option<&IgnoreFiles>) -> bool {
        let same = |(path, known): &(PathBuf, Stamp)| stamp_of(path) == Some(*known);
        let hold = match files {
            Some(files) => self.ignore_files == *files,
            None => self.ignore_files.iter().all(same),
        };
        hold && self.rules_settled && self.under.is(under)
    }

    fn read(
        tree: &Tree,
        (folder, relative): (&Path, &str),
        under: &Rules,
        known: Option<&Self>,
        now: SystemTime,
    ) -> io::Result<Self> {
        let ignore_files = ignore_files(folder);
        // The same object, so that listings of folders below still hold.
        let rules = match known.filter(|known| known.rules_hold(under, Some(&ignore_files))) {
            Some(known) => known.rules.clone(),
            None if ignore_files.is_empty() => under.clone(),
            None => under.enter(folder),
        };
        let mut children = Vec::new();
        let (mut unnamed, mut secrets) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(folder)?.flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let Ok(name) = entry.file_name().into_string() else {
                unnamed.push(entry.path());
                continue;
            };
            let relative: Arc<str> = if relative.is_empty() {
                name.as_str().into()
            } else {
                format!("{relative}/{name}").into()
            };
            let path = entry.path();
            if let Some(rules) = taken(tree, &path, &name, &relative, kind.is_dir(), &rules) {
                match secret(&name) {
                    Some(Secret::Surely) => continue,
                    Some(Secret::Perhaps) if kind.is_dir() || rules.asks_for(&path) => {}
                    Some(Secret::Perhaps) => {
                        secrets.push(path);
                        continue;
                    }
                    None => {}
                }
                children.push(Child {
                    relative,
                    path,
                    kind,
                    rules,
                });
            }
        }
        children.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(Self {
            stamp: None,
            under: under.clone(),
            rules_settled: ignore_files.iter().all(|(_, stamp)| stamp.would_show(now)),
            ignore_files,
            rules,
            children,
            unnamed,
            secrets,
        })
    }
}

/// The rules for what is in something, if it belongs to the package.
fn taken(
    tree: &Tree,
    path: &Path,
    name: &str,
    relative: &str,
    is_folder: bool,
    rules: &Rules,
) -> Option<Rules> {
    let entry = tree.leads_to_entry(relative);
    let nested = is_folder && tree.nested.iter().any(|nested| nested == path);
    if is_excluded(name) || nested || (tree.scope == Scope::File && !entry) {
        return None;
    }
    match tree.ignores((path, relative), is_folder, rules) {
        false => Some(rules.clone()),
        // An entry that is ignored was built: what was built with it is needed too.
        true => entry.then(Rules::default),
    }
}

fn ignore_files(folder: &Path) -> IgnoreFiles {
    let paths = IGNORE_FILES.map(|name| folder.join(name));
    paths
        .into_iter()
        .filter_map(|path| stamp_of(&path).map(|stamp| (path, stamp)))
        .collect()
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().as_ref().map(Stamp::of)
}
