//! Why the store cannot do what it was asked for.

use std::io;
use std::path::PathBuf;

use fnlocal_files::OwnPath;

use crate::digest::Digest;
use crate::name::RepositoryName;

/// Why the store cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The content is not what it was said to be.
    #[error("the content's digest is {found}, not {expected}")]
    DigestMismatch {
        /// The named digest.
        expected: Digest,
        /// The actual digest.
        found: Digest,
    },
    /// A manifest names a blob or a manifest the repository lacks.
    #[error("the manifest names {digest}, which {repository} does not have")]
    Missing {
        /// The missing digest.
        digest: Digest,
        /// Where it was looked for.
        repository: RepositoryName,
    },
    /// A manifest that cannot be read.
    #[error("the manifest cannot be read")]
    InvalidManifest(#[source] serde_json::Error),
    /// A manifest that contradicts what came with it.
    #[error("the manifest says its media type is {inside}, but it came as {outside}")]
    MediaType {
        /// The type in the manifest.
        inside: String,
        /// The type that came with it.
        outside: String,
    },
    /// A manifest above [`crate::MANIFEST_LIMIT`].
    #[error("the manifest is larger than 4 MiB")]
    TooLarge,
    /// No such upload in this repository: finished, cancelled, too old, or never begun.
    #[error("there is no such upload")]
    UnknownUpload,
    /// Another request is writing to this upload.
    #[error("the upload is being written to by another request")]
    BusyUpload,
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
}

impl StoreError {
    /// Returns whether the disk, or the person's share of it, is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => full(source),
            _ => false,
        }
    }
}

fnlocal_api::user_error!(StoreError {
    Self::Io { source, .. } if full(source) => "make room on the disk; `fnlocal clean` removes images";
    Self::Io { source, .. } => fnlocal_files::hint(source);
    Self::Missing { .. } => "push the blobs and the inner manifests first";
    _ => None;
});

/// Returns whether there is no room left.
pub(crate) fn full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

pub(crate) fn io(path: &OwnPath) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::Io {
        path: path.path().to_owned(),
        source,
    }
}
