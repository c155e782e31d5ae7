//! The public facts that several crates share: plain types without decisions.
#![warn(missing_docs)]

mod chain;
pub mod cut;
mod failure;
mod report;
mod timing;

pub use chain::chain;
pub use cut::{MAX_LINE_BYTES, cut};
pub use failure::Failure;
pub use report::{CRASH_PREFIX, Cause, EXIT_PREFIXES, Report};
pub use timing::{Cold, Timing};
