//! How code gets into containers.

use clap::ValueEnum;
use fnlocal_runtime::docker::mounts::Mounts;

/// How code gets into containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MountsChoice {
    /// Mounted where the engine can see this machine's folders, else copied in.
    Auto,
    /// Copied in, for an engine whose mounts are slow or late.
    Copy,
}

impl From<MountsChoice> for Mounts {
    fn from(choice: MountsChoice) -> Self {
        match choice {
            MountsChoice::Auto => Self::Auto,
            MountsChoice::Copy => Self::Copy,
        }
    }
}
