//! Garbage collection: marks from what is named, sweeps the rest once it is old enough.
//!
//! A manifest stays while it is tagged, kept by the caller, younger than the grace period, part of
//! one that stays, about one that stays, or what such a one is about. A blob stays while a manifest
//! that stays names it, or while it is young: its manifest may be on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fnlocal_files::{Metadata, OwnPath};

use super::Store;
use super::files;
use super::named::Named;
use crate::digest::{Algorithm, Digest};
use crate::error::StoreError;
use crate::name::{RepositoryName, Tag};

/// The result of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Contents: blobs and manifests.
    pub blobs: u64,
    /// Uploads nobody went on with.
    pub uploads: u64,
    /// Their sizes together.
    pub bytes: u64,
}

/// A repository's manifests and what they name.
struct Marks {
    manifests: BTreeMap<Digest, Option<Named>>,
    /// By subject.
    referrers: BTreeMap<Digest, Vec<Digest>>,
    marked: BTreeSet<Digest>,
}

impl Store {
    /// Removes what nothing names and nobody has touched for `grace`. `keep` names manifests and
    /// blobs that stay in any repository although no tag names them. Pushes wait while it runs, in
    /// other processes too; pulls do not.
    ///
    /// # Errors
    /// [`StoreError::Io`]; what was removed until then was not needed.
    pub fn collect(
        &self,
        grace: Duration,
        keep: &BTreeSet<Digest>,
    ) -> Result<Collected, StoreError> {
        let _held = self.removing()?;
        let mut linked = BTreeSet::new();
        for repository in self.all_repositories()? {
            self.sweep_repository(&repository, grace, keep, &mut linked)?;
        }
        let mut collected = Collected::default();
        self.sweep_contents(&linked, &mut collected)?;
        self.sweep_uploads(grace, &mut collected)?;
        for (path, metadata) in entries(&self.layout.quarantine())? {
            if files::is_old(&path, grace)? && files::remove(&path)? {
                collected.bytes += metadata.len;
            }
        }
        Ok(collected)
    }

    /// Adds what stays to `linked`.
    fn sweep_repository(
        &self,
        repository: &RepositoryName,
        grace: Duration,
        keep: &BTreeSet<Digest>,
        linked: &mut BTreeSet<Digest>,
    ) -> Result<(), StoreError> {
        let marks = self.mark(repository, grace, keep)?;
        for digest in marks.manifests.keys() {
            if !marks.marked.contains(digest) {
                self.unlink_manifest(repository, digest)?;
            }
        }
        let mut blobs: BTreeSet<&Digest> = keep.iter().collect();
        // Without one manifest's words nobody knows which blobs it needs.
        let mut all_known = true;
        for digest in &marks.marked {
            match marks.manifests.get(digest) {
                Some(Some(named)) => blobs.extend(named.blobs()),
                Some(None) => all_known = false,
                None => {}
            }
        }
        for (path, _) in entries(&self.layout.blobs(repository))? {
            let Some(digest) = digest_of(&path) else {
                continue;
            };
            if all_known && !blobs.contains(&digest) && files::is_old(&path, grace)? {
                files::remove(&path)?;
            } else {
                linked.insert(digest);
            }
        }
        linked.extend(marks.marked);
        self.remove_empty(repository)
    }

    fn mark(
        &self,
        repository: &RepositoryName,
        grace: Duration,
        keep: &BTreeSet<Digest>,
    ) -> Result<Marks, StoreError> {
        let mut marks = Marks {
            manifests: BTreeMap::new(),
            referrers: BTreeMap::new(),
            marked: BTreeSet::new(),
        };
        let mut roots = Vec::new();
        for digest in self.manifest_links(repository)? {
            let path = self.layout.manifest(repository, &digest);
            if keep.contains(&digest) || !files::is_old(&path, grace)? {
                roots.push(digest.clone());
            }
            let named = self.named(repository, &digest)?;
            if let Some(subject) = named.as_ref().and_then(Named::subject) {
                let referrers = marks.referrers.entry(subject.clone()).or_default();
                referrers.push(digest.clone());
            }
            marks.manifests.insert(digest, named);
        }
        for tag in files::list(&self.layout.tags(repository), Tag::from_file_name)? {
            roots.extend(self.tagged(repository, &tag)?);
        }
        marks.spread(roots);
        Ok(marks)
    }

    /// With the lock held alone, content is on its way into a repository nowhere: what none has is
    /// garbage.
    fn sweep_contents(
        &self,
        linked: &BTreeSet<Digest>,
        collected: &mut Collected,
    ) -> Result<(), StoreError> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            for (path, metadata) in entries(&self.layout.contents(algorithm))? {
                let hex = path.name().unwrap_or_default();
                let name = format!("{}-{hex}", algorithm.name());
                let ours = Digest::from_file_name(&name);
                if ours.is_some_and(|digest| !linked.contains(&digest)) && files::remove(&path)? {
                    collected.blobs += 1;
                    collected.bytes += metadata.len;
                }
            }
        }
        Ok(())
    }

    fn sweep_uploads(&self, grace: Duration, collected: &mut Collected) -> Result<(), StoreError> {
        for (path, metadata) in entries(&self.layout.uploads())? {
            if !metadata.is_file || !files::is_old(&path, grace)? {
                continue;
            }
            // One that somebody writes to is locked, however slow they are.
            let file = files::present(&path, path.open())?;
            if file.is_some_and(|file| file.try_lock().is_ok()) && files::remove(&path)? {
                collected.uploads += 1;
                collected.bytes += metadata.len;
            }
        }
        Ok(())
    }

    /// A repository without anything is none. Folders that are not empty refuse to go.
    fn remove_empty(&self, repository: &RepositoryName) -> Result<(), StoreError> {
        let folder = self.layout.repository(repository);
        for subject in files::names(&folder.join("_referrers"))? {
            let _not_empty = folder.join("_referrers").join(subject).remove_folder();
        }
        for own in ["_referrers", "_tags", "_manifests", "_blobs"] {
            let _not_empty = folder.join(own).remove_folder();
        }
        let parts = repository.as_str().split('/').count();
        let mut above = Some(folder);
        for _ in 0..parts {
            let Some(folder) = above.filter(|folder| folder.remove_folder().is_ok()) else {
                break;
            };
            above = folder.parent();
        }
        Ok(())
    }
}

impl Marks {
    /// Marks `roots` and all that stays with them.
    fn spread(&mut self, roots: Vec<Digest>) {
        let mut waiting = roots;
        while let Some(digest) = waiting.pop() {
            let Some(named) = self.manifests.get(&digest) else {
                continue;
            };
            if !self.marked.insert(digest.clone()) {
                continue;
            }
            if let Some(named) = named {
                waiting.extend(named.children().chain(named.subject()).cloned());
            }
            if let Some(referrers) = self.referrers.get(&digest) {
                waiting.extend(referrers.iter().cloned());
            }
        }
    }
}

fn digest_of(path: &OwnPath) -> Option<Digest> {
    Digest::from_file_name(path.name()?)
}

/// The files of a folder. One that vanishes meanwhile is not there.
fn entries(folder: &OwnPath) -> Result<Vec<(OwnPath, Metadata)>, StoreError> {
    let mut found = Vec::new();
    for name in files::names(folder)? {
        let path = folder.join(name);
        if let Some(metadata) = files::present(&path, path.metadata())? {
            found.push((path, metadata));
        }
    }
    Ok(found)
}
