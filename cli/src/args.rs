//! The command line.

mod fleet;
mod mounts;
mod span;

use std::path::Path;

use clap::{ArgAction, Parser, Subcommand};

use crate::error::CommandResult;

pub use fleet::{FleetArgs, time_scale};
pub use mounts::MountsChoice;
pub use span::span;

const EXIT_CODES: &str = "\
Exit codes:
  0 success   1 failure   2 wrong usage   3 the plan has changes   64 wrong configuration
  69 Docker or AWS unreachable   70 a fault of fnlocal   75 in use, try again   130 interrupted";

/// Run serverless functions on this machine, and the same images and gateway in the cloud.
#[derive(Debug, Parser)]
#[command(name = "fnlocal", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Args {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
    /// Print fnlocal's own diagnosis to stderr; repeat for more. FNLOCAL_LOG selects parts.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
}

/// The commands: a summary, the module with the arguments, their `EXAMPLES` and `run`; whether they
/// name the folder of a project; the feature without which there is none.
macro_rules! commands {
    ($(
        #[doc = $summary:literal]
        $name:ident => $variant:ident($args:ty) $(in $folder:ident)? $(if $feature:literal)?;
    )+) => {
        /// The commands.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $(
                #[doc = $summary]
                $(#[cfg(feature = $feature)])?
                #[command(after_help = crate::$name::EXAMPLES)]
                $variant($args),
            )+
        }

        impl Command {
            /// Commands that exist only with a feature, which is named.
            pub const OF_FEATURES: &[(&str, &str)] = &[$($((stringify!($name), $feature),)?)+];

            /// Returns the command's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(
                        $(#[cfg(feature = $feature)])?
                        Self::$variant(_) => stringify!($name),
                    )+
                }
            }

            /// Returns the folder of the project it is about. `None` if it names none.
            pub fn folder(&self) -> Option<&Path> {
                match self {
                    $(
                        $(#[cfg(feature = $feature)])?
                        Self::$variant(_args) => None$(.or(Some(_args.$folder.as_path())))?,
                    )+
                }
            }

            /// Runs it.
            pub fn run(&self) -> CommandResult {
                match self {
                    $(
                        $(#[cfg(feature = $feature)])?
                        Self::$variant(args) => crate::$name::run(args),
                    )+
                }
            }
        }
    };
}

commands! {
    /// Create a project: the few files that `fnlocal dev` needs.
    init => Init(crate::init::InitArgs) in folder;
    /// Serve a folder of functions and reload saved code.
    dev => Dev(crate::dev::DevArgs) in folder;
    /// Call a function of a running `fnlocal dev` or `fnlocal up`.
    invoke => Invoke(crate::invoke::InvokeArgs) in folder;
    /// Show functions, instances by state, queues and memory.
    ps => Ps(crate::ps::PsArgs) in folder;
    /// Watch functions, instances and requests on a full screen.
    top => Top(crate::top::TopArgs) in folder;
    /// Open the dashboard of a running `fnlocal dev` or `fnlocal up` in a browser.
    open => Open(crate::open::OpenArgs) in folder;
    /// Show invocations, function log lines, reloads and errors.
    logs => Logs(crate::logs::LogsArgs) in folder;
    /// Show functions' errors, grouped by their origin in the code.
    errors => Errors(crate::errors::ErrorsArgs) in folder;
    /// Build an OCI image of each package into the project's registry.
    build => Build(crate::build::BuildArgs) in folder;
    /// Serve a release from its images, as a node in the cloud does.
    up => Up(crate::up::UpArgs) in folder;
    /// List, show, compare and prune releases.
    release => Release(crate::release::ReleaseArgs) in folder;
    /// Serve the project's registry to docker, skopeo and other OCI clients.
    registry => Registry(crate::registry::RegistryArgs) in folder;
    /// Remove a project's containers, images, registry, logs and copies of code.
    clean => Clean(crate::clean::CleanArgs) in folder;
    /// Check this machine's setup and suggest fixes.
    doctor => Doctor(crate::doctor::DoctorArgs) in folder;
    /// Simulate a load on a fleet of nodes in virtual time.
    simulate => Simulate(Box<crate::simulate::SimulateArgs>) in folder;
    /// Send load to functions and report warm, spare, cold and queued requests separately.
    loadtest => Loadtest(Box<crate::loadtest::LoadtestArgs>) in folder if "loadtest";
    /// Serve an environment's release on an EC2 machine; the machine's user data starts this.
    node => Node(crate::node::NodeArgs) if "aws";
    /// Deploy a folder of functions to an environment on AWS.
    promote => Promote(Box<crate::promote::PromoteArgs>) in folder if "aws";
    /// Show an environment's release, nodes, health and cost on AWS.
    status => Status(crate::status::StatusArgs) in folder if "aws";
    /// Switch an environment's nodes to an earlier release.
    rollback => Rollback(crate::rollback::RollbackArgs) in folder if "aws";
    /// Delete everything fnlocal created on AWS for an environment.
    destroy => Destroy(crate::destroy::DestroyArgs) in folder if "aws";
    /// Inspect the asynchronous queue; retry or remove jobs.
    queue => Queue(crate::queue::QueueArgs) in folder;
    /// Send a CloudEvent to a function of a running `fnlocal dev` or `fnlocal up`.
    emit => Emit(crate::emit::EmitArgs) in folder;
    /// Print the JSON schema of fnlocal.toml.
    schema => Schema(crate::schema::SchemaArgs);
    /// Print a completion script for a shell.
    completions => Completions(crate::completions::CompletionsArgs);
    /// Write a man page for each command.
    man => Man(crate::man::ManArgs);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Lines of the examples that begin with `fnlocal`, as words, without what a shell does.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let (_, text) = help.split_once("Examples:\n").unwrap_or_default();
        let lines = text.lines().take_while(|line| !line.is_empty());
        let lines = lines.filter(|line| line.starts_with("  fnlocal "));
        let words = |line: &str| {
            let line = line.trim();
            let line = line.split_once("  ").map_or(line, |(example, _)| example);
            let words = shlex::split(line).unwrap().into_iter();
            words
                .take_while(|word| !["|", ">", "&&"].contains(&word.as_str()))
                .collect()
        };
        lines.map(words).collect()
    }

    #[test]
    fn every_command_has_examples_and_every_example_parses() {
        let root = Args::command();
        let mut commands: Vec<_> = root.get_subcommands().collect();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands());
            let help = command.get_after_help().map(ToString::to_string);
            let examples = examples(&help.unwrap_or_default());
            assert!(!examples.is_empty(), "{} has none", command.get_name());
            for words in examples {
                let parsed = Args::try_parse_from(&words);
                assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
            }
        }
    }
}
