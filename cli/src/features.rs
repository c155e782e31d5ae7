//! Commands and sources that Cargo's features `aws` and `loadtest` add, and what is said of those
//! that this build leaves out.

#[cfg(not(feature = "aws"))]
use std::path::Path;

use fnlocal_gateway::triggers::MakeSource;

use crate::args::Command;
use crate::error::CliError;

/// Makes sources that need an SDK of a cloud.
#[cfg(feature = "aws")]
pub const SOURCES: Option<MakeSource> = Some(fnlocal_cloud::events::make);
#[cfg(not(feature = "aws"))]
pub const SOURCES: Option<MakeSource> = None;

/// Finds the URL of an environment of the project in a folder.
#[cfg(feature = "aws")]
pub use crate::cloud::endpoint::base_url;
#[cfg(not(feature = "aws"))]
pub async fn base_url(_: &Path, _: &str) -> Result<String, CliError> {
    Err(missing("--env", "aws"))
}

/// Stands in for the half of a command that asks AWS.
#[cfg(not(feature = "aws"))]
pub mod absent {
    use crate::error::CommandResult;

    /// Says that the half is missing.
    pub fn run<T>(_: &T, _: &str) -> CommandResult {
        Err(super::missing("--env", "aws"))
    }
}

/// Returns the feature that would add this command, which is none of this build's.
pub fn adding(command: &str) -> Option<&'static str> {
    let mut all = Command::OF_FEATURES.iter();
    all.find(|(name, _)| *name == command)
        .map(|(_, feature)| *feature)
}

/// The error of a command or option that needs a feature which this build leaves out.
pub fn missing(what: &str, feature: &str) -> CliError {
    CliError::config(
        format!("`{what}` needs `{feature}`, which this fnlocal was built without"),
        format!(
            "`cargo install --path cli --locked` installs all of it, `cargo build --features \
             {feature}` adds what is missing"
        ),
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn an_optional_command_exists_only_if_its_feature_is_compiled_in() {
        let root = crate::args::Args::command();
        for &(name, feature) in Command::OF_FEATURES {
            let built_in = match feature {
                "aws" => cfg!(feature = "aws"),
                _ => cfg!(feature = "loadtest"),
            };
            assert_eq!(root.find_subcommand(name).is_some(), built_in, "{name}");
        }
    }
}
