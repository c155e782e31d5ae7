//! Several runs of one scenario: over values of a setting, or until one holds.

mod prescale;
mod sweep;

pub use prescale::{Found, NothingHolds, SearchError, Trial, find_prescale};
pub use sweep::{BadSweep, Sweep};
