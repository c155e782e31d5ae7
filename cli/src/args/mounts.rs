//! How code gets into containers.

use clap::ValueEnum;
use fnlocal_runtime::docker::mounts::Mounts;

/// How code reaches containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MountsChoice {
    /// Mount code if the engine sees this machine's folders, else copy.
    Auto,
    /// Copy code, for an engine whose mounts are slow or late.
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
