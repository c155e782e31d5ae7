//! Blobs of a repository, and whether contents are still what they were.

use std::fs::File;

use super::Store;
use super::files;
use crate::digest::{Digest, DigestHasher};
use crate::error::{StoreError, io};
use crate::name::RepositoryName;

impl Store {
    /// Opens a blob. Returns it with its size in bytes; nothing when the repository lacks it.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be opened.
    pub fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<(File, u64)>, StoreError> {
        if !self.layout.blob(repository, digest).is_file() {
            return Ok(None);
        }
        let path = self.layout.content(digest);
        let Some(file) = files::present(&path, path.open())? else {
            return Ok(None);
        };
        let size = file.metadata().map_err(io(&path))?.len();
        Ok(Some((file, size)))
    }

    /// Returns the size in bytes of a blob of the repository. The caller may be about to name it in
    /// a manifest, so a collection leaves it alone for another grace period.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn blob_size(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, StoreError> {
        let _held = self.adding()?;
        let path = self.layout.content(digest);
        let Some(content) = files::present(&path, path.metadata())? else {
            return Ok(None);
        };
        let linked = files::refresh(&self.layout.blob(repository, digest))?;
        Ok(linked.then_some(content.len))
    }

    /// Returns whether the repository has a blob, as [`Store::blob_size`] says; `false` if that
    /// fails.
    #[must_use]
    pub fn has_blob(&self, repository: &RepositoryName, digest: &Digest) -> bool {
        matches!(self.blob_size(repository, digest), Ok(Some(_)))
    }

    /// Gives a blob of one repository to another. Returns whether `from` has it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn mount(
        &self,
        digest: &Digest,
        from: &RepositoryName,
        to: &RepositoryName,
    ) -> Result<bool, StoreError> {
        let _held = self.adding()?;
        let there =
            self.layout.blob(from, digest).is_file() && self.layout.content(digest).is_file();
        if there {
            self.link_blob(to, digest)?;
        }
        Ok(there)
    }

    /// Gives a repository a blob that any other has. Returns whether one has it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn mount_from_any(&self, digest: &Digest, to: &RepositoryName) -> Result<bool, StoreError> {
        let all = self.all_repositories()?;
        let from = all
            .iter()
            .find(|from| self.layout.blob(from, digest).is_file());
        from.map_or(Ok(false), |from| self.mount(digest, from, to))
    }

    /// Takes a blob from a repository. Returns whether it had it. The bytes go when they are
    /// collected.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let _held = self.removing()?;
        files::delete(&self.layout.blob(repository, digest))
    }

    /// Reads a content again. Returns whether it is there and still what it was; one that is not
    /// is moved away and missing from then on, until it is pushed again.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be read or moved.
    pub fn verify(&self, digest: &Digest) -> Result<bool, StoreError> {
        let path = self.layout.content(digest);
        let Some(file) = files::present(&path, path.open())? else {
            return Ok(false);
        };
        let mut hasher = DigestHasher::new(digest.algorithm());
        hasher.read(&file).map_err(io(&path))?;
        if hasher.finish() == *digest {
            return Ok(true);
        }
        self.quarantine(digest, &file)?;
        Ok(false)
    }

    /// Moves a bad content away, unless another has taken its place.
    pub(crate) fn quarantine(&self, digest: &Digest, bad: &File) -> Result<(), StoreError> {
        let path = self.layout.content(digest);
        let _held = self.removing()?;
        let Some(now) = files::present(&path, path.open())? else {
            return Ok(());
        };
        let now = now.metadata().map_err(io(&path))?;
        let then = bad.metadata().map_err(io(&path))?;
        let same = now.len() == then.len()
            && matches!((now.modified(), then.modified()), (Ok(now), Ok(then)) if now == then);
        if !same {
            return Ok(());
        }
        let away = format!("{}.{:08x}", digest.file_name(), rand::random::<u32>());
        let away = self.layout.quarantine().join(away);
        path.rename(&away).map_err(io(&away))?;
        files::sync_parent(&path)
    }

    /// Under the lock.
    pub(super) fn link_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        files::make_folder(&self.layout.blobs(repository))?;
        files::mark(&self.layout.blob(repository, digest))
    }
}
