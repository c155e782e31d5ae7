//! A registry of OCI images in a folder: the [`Store`], its garbage collection, and the OCI
//! Distribution API over it. This crate knows nothing of engines, projects or functions.
//!
//! # On disk
//! ```text
//! ROOT/
//!   lock                                        held shared while something is added, alone while removed
//!   blobs/sha256/HEX                            contents of blobs and manifests, once each
//!   repositories/NAME/_blobs/sha256-HEX         empty: the repository has this blob
//!   repositories/NAME/_manifests/sha256-HEX     JSON: the repository has this manifest, and its media type
//!   repositories/NAME/_tags/TAG                 the digest a tag names
//!   repositories/NAME/_referrers/SUBJECT/sha256-HEX   empty: this manifest has that subject
//!   uploads/ID                                  bytes of an upload so far, locked while written
//!   quarantine/sha256-HEX.RANDOM                contents that no longer hash to their name
//! ```
//! No part of a repository's name begins with `_`, so names and these folders never meet. A tag
//! with capitals is written in small letters with a mask, for file systems that do not tell them
//! apart. sha512 stands beside sha256 wherever a client asks for it.
//!
//! A file appears under its name only by a rename, after its bytes reached the disk, or empty; the
//! folder is synced after it. So whatever is served is whole, and killing the process at any moment
//! leaves at most an upload nobody finishes, which [`Store::collect`] removes.
//!
//! Nothing is collected by itself: whoever owns the store calls [`Store::collect`] now and then,
//! with the digests its releases name and a grace period longer than a push takes.
//!
//! Several processes may use one folder at once. Content is in use from the moment it is linked,
//! and is removed only while nothing is added.
#![warn(missing_docs)]
#![warn(clippy::disallowed_macros)]

mod digest;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod name;
mod store;

pub use digest::{Algorithm, Digest, DigestError};
pub use error::StoreError;
pub use http::{HttpOptions, router, serve};
pub use name::{NameError, Reference, RepositoryName, Tag};
pub use store::{
    Blob, BlobWriter, Collected, Descriptor, HashProgress, MANIFEST_LIMIT, Store, StoredManifest,
    UploadId,
};
