//! Several runs of one scenario: over values of a setting, or until one holds.

mod prescale;
mod sweep;

pub use prescale::{NothingHolds, PrescaleResult, SearchError, TriedSetting, find_prescale};
pub use sweep::{BadSweep, Sweep};
