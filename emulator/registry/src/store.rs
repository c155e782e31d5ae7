//! The store: contents by digest, and which repository has which. Synchronous; see the crate's
//! documentation for what is where.

mod blobs;
mod catalog;
mod collect;
mod files;
mod layout;
mod manifests;
mod named;
mod upload;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use fnlocal_files::OwnPath;

pub use catalog::Descriptor;
pub use collect::Collected;
pub use manifests::{MANIFEST_LIMIT, StoredManifest};
pub use upload::{Blob, BlobWriter, HashProgress, UploadId};

use crate::digest::Algorithm;
use crate::error::{StoreError, io};
use layout::Layout;

/// Images in a folder. Clones are the same store; so are others opened on the same folder, in this
/// process or another.
#[derive(Clone, Debug)]
pub struct Store {
    layout: Arc<Layout>,
}

/// The store's lock, until dropped.
struct StoreLock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

impl Store {
    /// Opens the store in `root`, which is made if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a folder cannot be made.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let absolute = std::path::absolute(root).map_err(io(&OwnPath::new(root)))?;
        let layout = Layout::new(OwnPath::new(&absolute));
        for folder in [
            layout.contents(Algorithm::Sha256),
            layout.contents(Algorithm::Sha512),
            layout.repositories(),
            layout.uploads(),
            layout.quarantine(),
        ] {
            files::make_folder(&folder)?;
        }
        let store = Self {
            layout: Arc::new(layout),
        };
        store.adding()?;
        Ok(store)
    }

    /// The folder it is in.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Nothing is removed while this is held.
    fn adding(&self) -> Result<StoreLock, StoreError> {
        let (file, path) = self.lock_file()?;
        file.lock_shared().map_err(io(&path))?;
        Ok(StoreLock(file))
    }

    /// Nothing is added while this is held. Waits for those who add, in other processes too.
    fn removing(&self) -> Result<StoreLock, StoreError> {
        let (file, path) = self.lock_file()?;
        file.lock().map_err(io(&path))?;
        Ok(StoreLock(file))
    }

    /// Opened anew each time: a lock belongs to one opening, so that threads exclude each other.
    fn lock_file(&self) -> Result<(File, OwnPath), StoreError> {
        let path = self.layout.lock();
        let file = path.open_or_create().map_err(io(&path))?;
        Ok((file, path))
    }
}
