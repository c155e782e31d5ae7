//! The variables of the shell that may reach a function.
//!
//! A shell holds secrets that are not this project's: keys of AWS, tokens of npm and of CI, the
//! agent of SSH. Code names the variables it wants, and may be a stranger's, so a name in code takes
//! nothing from the shell. A name in `fnlocal.toml` does: that file says what runs, and is short
//! enough to read before.

use std::collections::BTreeSet;

use super::{Config, Project};

/// The variables of the shell that may reach functions and sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellVariables(Option<BTreeSet<String>>);

impl ShellVariables {
    /// Every variable: on a machine that has none but the release's.
    pub const fn all() -> Self {
        Self(None)
    }

    fn named_by(config: &Config) -> Self {
        let tables = config.functions.values().chain([&config.defaults]);
        let mut names = BTreeSet::new();
        for table in tables {
            names.extend(table.env.iter().flatten().cloned());
            let sources = table.on.iter().flatten();
            names.extend(sources.filter_map(|source| source.url_env.clone()));
        }
        Self(Some(names))
    }

    /// Returns whether the shell is asked for a variable.
    #[must_use]
    pub fn permits(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(name))
    }

    /// The shell's value of a variable; `None` if it has none or must not be asked.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.permits(name).then(|| std::env::var(name).ok())?
    }
}

impl Project {
    /// The variables of the shell that `fnlocal.toml` names: in `env` of a function or of
    /// `[defaults]`, or in `url_env` of a source.
    #[must_use]
    pub fn shell(&self) -> ShellVariables {
        ShellVariables::named_by(self.config())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shell_variables_named_in_fnlocal_toml_are_read() {
        let config: Config = toml::from_str(
            "[defaults]\nenv = [\"REGION\"]\n\
             [functions.bid]\nenv = [\"REDIS_URL\"]\n\
             [[functions.bid.on]]\nsource = \"redis\"\nstream = \"bids\"\nurl_env = \"STREAM_URL\"\n",
        )
        .unwrap();
        let shell = ShellVariables::named_by(&config);
        for name in ["REGION", "REDIS_URL", "STREAM_URL"] {
            assert!(shell.permits(name), "{name}");
        }
        // The last is in every shell.
        for name in ["AWS_SECRET_ACCESS_KEY", "NPM_TOKEN", "GITHUB_TOKEN", "PATH"] {
            assert!(!shell.permits(name), "{name}");
            assert_eq!(shell.get(name), None);
        }
        assert!(ShellVariables::all().get("PATH").is_some());
    }
}
