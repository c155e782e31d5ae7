//! Commands and sources that Cargo's features `aws` and `loadtest` add, and what is said of those
//! that this build leaves out.

use std::error::Error;
use std::path::Path;

use fnlocal_gateway::triggers::MakeSource;

use crate::exit::Exit;
use crate::run::fail;

/// Commands that exist only with a feature.
const COMMANDS: [(&str, &str); 6] = [
    ("promote", "aws"),
    ("status", "aws"),
    ("rollback", "aws"),
    ("destroy", "aws"),
    ("node", "aws"),
    ("loadtest", "loadtest"),
];

/// Makes sources that need an SDK of a cloud.
#[cfg(feature = "aws")]
pub const SOURCES: Option<MakeSource> = Some(fnlocal_cloud::events::make);
#[cfg(not(feature = "aws"))]
pub const SOURCES: Option<MakeSource> = None;

/// Finds the URL of an environment of the project in a folder. Prints why, if it cannot.
#[cfg(feature = "aws")]
pub async fn base_url(folder: &Path, env: &str) -> Result<String, Exit> {
    let found = crate::cloud::endpoint::base_url(folder, env).await;
    found.map_err(|refusal| refusal.tell())
}
#[cfg(not(feature = "aws"))]
pub async fn base_url(_: &Path, _: &str) -> Result<String, Exit> {
    Err(missing("--env", "aws"))
}

/// Stands in for the half of a command that asks AWS.
#[cfg(not(feature = "aws"))]
pub mod absent {
    /// Says that the half is missing.
    pub fn run<T>(_: &T, _: &str) -> crate::exit::Exit {
        super::missing("--env", "aws")
    }
}

/// Returns the feature that would add this command, which is none of this build's.
pub fn adding(command: &str) -> Option<&'static str> {
    let mut all = COMMANDS.iter();
    all.find(|(name, _)| *name == command)
        .map(|(_, feature)| *feature)
}

/// Says that a command or option needs a feature that this build was made without.
pub fn missing(what: &str, feature: &str) -> Exit {
    let (text, hint) = absence(what, feature);
    let error: Box<dyn Error> = text.into();
    fail(Exit::Config, &*error, Some(&hint))
}

/// The same in words: the error and the hint.
pub fn absence(what: &str, feature: &str) -> (String, String) {
    let text = format!("`{what}` needs `{feature}`, which this fnlocal was built without");
    let hint = format!(
        "`cargo install --path cli --locked` installs all of it, `cargo build --features {feature}` \
         adds what is missing"
    );
    (text, hint)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_command_of_a_feature_exists_if_and_only_if_the_feature_is_built_in() {
        let root = crate::args::Args::command();
        for (name, feature) in COMMANDS {
            let built_in = match feature {
                "aws" => cfg!(feature = "aws"),
                _ => cfg!(feature = "loadtest"),
            };
            assert_eq!(root.find_subcommand(name).is_some(), built_in, "{name}");
        }
    }
}
