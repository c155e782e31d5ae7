//! The interface to the part that makes functions of wrappers' descriptions.

use fnlocal_core::{CodeHash, PackageId};
use fnlocal_project::DescribedModule;

use crate::{Failure, Function, Functions};

/// Turns a wrapper's description of a package into functions with bounds.
pub trait Describe {
    /// Called with the wrapper's `modules`, or with the reason why there is no description.
    /// Registers what it finds in `functions` and returns the whole list for the core.
    fn describe(
        &self,
        package: PackageId,
        code: CodeHash,
        described: Result<Vec<DescribedModule>, Failure>,
        functions: &mut Functions,
    ) -> Vec<fnlocal_core::FunctionSpec>;

    /// Called when a function's requests go to new code, of these files.
    fn switched(&self, function: &Function, code: CodeHash, files: &str);

    /// Called with the number of drivers that share this, where there may be several.
    fn set_drivers(&self, _drivers: usize) {}
}
