//! The public facts that several crates share: plain types without decisions.
#![warn(missing_docs)]

pub mod cut;
mod exit;
mod failure;
mod report;
mod timing;
mod user_error;

pub use cut::{MAX_LINE_BYTES, cut};
pub use exit::Exit;
pub use failure::Failure;
pub use report::{CRASH_PREFIX, Cause, EXIT_PREFIXES, Report};
pub use timing::{Cold, Timing};
pub use user_error::{IntoHint, UserError};
