//! Arguments of `fnlocal init`.

use std::path::PathBuf;

use clap::ValueEnum;
use fnlocal_language::{StarterTemplate, template};

/// Shown with `--help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal init                       create two JavaScript functions in this folder
  fnlocal init shop --template ts    create a TypeScript project in a new folder
  fnlocal init sale --template auction
  fnlocal init --from template.yaml  take over an AWS SAM project
  fnlocal init --from wrangler.toml

Existing files are never overwritten.";

/// Arguments of `fnlocal init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The project's folder, created if missing.
    #[arg(default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// The template of the project.
    #[arg(short, long, value_enum, default_value_t = ProjectTemplate::Js)]
    pub template: ProjectTemplate,
    /// Take over another platform's project in its own folder, from its template.yaml,
    /// serverless.yml, firebase.json, netlify.toml, vercel.json or wrangler.toml.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["folder", "template"])]
    pub from: Option<PathBuf>,
}

/// The template of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProjectTemplate {
    /// Two small functions in JavaScript.
    Js,
    /// One function in TypeScript, run by Node.js itself.
    Ts,
    /// The example `auction`, with limits in fnlocal.toml.
    Auction,
    /// A handler as AWS Lambda has it.
    Lambda,
    /// A Hono app.
    Hono,
}

impl ProjectTemplate {
    /// Its files.
    pub(super) fn starter(self) -> &'static StarterTemplate {
        let word = self.to_possible_value();
        let found = word.and_then(|word| template(word.get_name()));
        // A test looks each up.
        found.expect("a language has the template")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_has_files_and_names_a_function() {
        for template in ProjectTemplate::value_variants() {
            let starter = template.starter();
            assert!(!starter.files.is_empty() && !starter.function.is_empty());
        }
    }
}
