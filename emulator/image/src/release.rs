//! Releases of a project, kept as files named by the hash of what they say.
//!
//! A file is written once and never changed. Images that a release names stay in the registry for
//! as long as the release is kept.

mod assemble;
mod kept;
mod make;
mod prune;

pub use assemble::{AssembleError, PackageImage, assemble, project_limits};
pub use kept::{NamedRelease, ReleaseStoreError, Releases};
pub use make::{MadeRelease, MakeError, build, make};
pub use prune::{PruneError, Pruned, prune};
