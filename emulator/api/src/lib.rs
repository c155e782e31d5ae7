//! The public facts that several crates share: plain types without decisions.
#![warn(missing_docs)]

mod chain;
pub mod cut;
mod exit;
mod failure;
pub mod headers;
mod refusal;
mod report;
mod start;
mod timing;
mod user_error;

pub use chain::chain;
pub use cut::{MAX_LINE_BYTES, cut};
pub use exit::Exit;
pub use failure::{Failure, read_failure};
pub use refusal::RefuseReason;
pub use report::{CRASH_PREFIX, Cause, EXIT_PREFIXES, Report};
pub use start::StartKind;
pub use timing::{Cold, Timing};
pub use user_error::{IntoHint, UserError};
