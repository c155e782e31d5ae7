//! OCI images, composed here and put straight into a [`fnlocal_registry::Store`]: the same input gives the same
//! digests on every machine.
//!
//! Nothing is asked of an engine except what only it has: [`saved`] takes the layers of an image
//! it holds, [`load`] gives it one of ours.

pub mod base;
pub(crate) mod content;
pub mod layer;
pub mod load;
pub mod manifest;
pub(crate) mod modules;
pub(crate) mod remote;
pub(crate) mod saved;
