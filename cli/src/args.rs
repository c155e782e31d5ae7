//! The command line.

mod build;
mod clean;
#[cfg(feature = "aws")]
mod destroy;
mod dev;
mod doctor;
mod emit;
mod errors;
mod fleet;
mod init;
mod invoke;
#[cfg(feature = "loadtest")]
mod loadtest;
mod logs;
mod look;
mod mounts;
#[cfg(feature = "aws")]
mod node;
#[cfg(feature = "aws")]
mod promote;
mod queue;
mod registry;
mod release;
#[cfg(feature = "aws")]
mod rollback;
mod shell;
mod simulate;
mod span;
#[cfg(feature = "aws")]
mod status;
mod up;

use std::path::Path;

use clap::{ArgAction, Parser, Subcommand};

pub use build::BuildArgs;
pub use clean::CleanArgs;
#[cfg(feature = "aws")]
pub use destroy::DestroyArgs;
pub use dev::{DevArgs, ProfileChoice, RuntimeChoice};
pub use doctor::DoctorArgs;
pub use emit::EmitArgs;
pub use errors::ErrorsArgs;
pub use fleet::FleetArgs;
pub use init::{InitArgs, ProjectTemplate};
pub use invoke::InvokeArgs;
#[cfg(feature = "loadtest")]
pub use loadtest::{LoadProfile, LoadtestArgs};
pub use logs::LogsArgs;
pub use look::{OpenArgs, PsArgs, TopArgs};
pub use mounts::MountsChoice;
#[cfg(feature = "aws")]
pub use node::NodeArgs;
#[cfg(feature = "aws")]
pub use promote::PromoteArgs;
pub use queue::{Chosen, QueueArgs, QueueCommand};
pub use registry::RegistryArgs;
pub use release::{ReleaseArgs, ReleaseCommand};
#[cfg(feature = "aws")]
pub use rollback::RollbackArgs;
pub use shell::{CompletionsArgs, ManArgs};
pub use simulate::{RoutingChoice, SimulateArgs};
#[cfg(feature = "aws")]
pub use status::StatusArgs;
pub use up::UpArgs;

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

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a project: the few files that `fnlocal dev` needs.
    #[command(after_help = init::EXAMPLES)]
    Init(InitArgs),
    /// Serve a folder of functions and reload saved code.
    #[command(after_help = dev::EXAMPLES)]
    Dev(DevArgs),
    /// Call a function of a running `fnlocal dev` or `fnlocal up`.
    #[command(after_help = invoke::EXAMPLES)]
    Invoke(InvokeArgs),
    /// Show functions, instances by state, queues and memory.
    #[command(after_help = look::PS_EXAMPLES)]
    Ps(PsArgs),
    /// Watch functions, instances and requests on a full screen.
    #[command(after_help = look::TOP_EXAMPLES)]
    Top(TopArgs),
    /// Open the dashboard of a running `fnlocal dev` or `fnlocal up` in a browser.
    #[command(after_help = look::OPEN_EXAMPLES)]
    Open(OpenArgs),
    /// Show invocations, function log lines, reloads and errors.
    #[command(after_help = logs::EXAMPLES)]
    Logs(LogsArgs),
    /// Show functions' errors, grouped by their origin in the code.
    #[command(after_help = errors::EXAMPLES)]
    Errors(ErrorsArgs),
    /// Build an OCI image of each package into the project's registry.
    #[command(after_help = build::EXAMPLES)]
    Build(BuildArgs),
    /// Serve a release from its images, as a node in the cloud does.
    #[command(after_help = up::EXAMPLES)]
    Up(UpArgs),
    /// List, show, compare and prune releases.
    #[command(after_help = release::EXAMPLES)]
    Release(ReleaseArgs),
    /// Serve the project's registry to docker, skopeo and other OCI clients.
    #[command(after_help = registry::EXAMPLES)]
    Registry(RegistryArgs),
    /// Remove a project's containers, images, registry, logs and copies of code.
    #[command(after_help = clean::EXAMPLES)]
    Clean(CleanArgs),
    /// Check this machine's setup and suggest fixes.
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(DoctorArgs),
    /// Simulate a load on a fleet of nodes in virtual time.
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(Box<SimulateArgs>),
    /// Send load to functions and report warm, spare, cold and queued requests separately.
    #[cfg(feature = "loadtest")]
    #[command(after_help = loadtest::EXAMPLES)]
    Loadtest(Box<LoadtestArgs>),
    /// Serve an environment's release on an EC2 machine; the machine's user data starts this.
    #[cfg(feature = "aws")]
    #[command(after_help = node::EXAMPLES)]
    Node(NodeArgs),
    /// Deploy a folder of functions to an environment on AWS.
    #[cfg(feature = "aws")]
    #[command(after_help = promote::EXAMPLES)]
    Promote(Box<PromoteArgs>),
    /// Show an environment's release, nodes, health and cost on AWS.
    #[cfg(feature = "aws")]
    #[command(after_help = status::EXAMPLES)]
    Status(StatusArgs),
    /// Switch an environment's nodes to an earlier release.
    #[cfg(feature = "aws")]
    #[command(after_help = rollback::EXAMPLES)]
    Rollback(RollbackArgs),
    /// Delete everything fnlocal created on AWS for an environment.
    #[cfg(feature = "aws")]
    #[command(after_help = destroy::EXAMPLES)]
    Destroy(DestroyArgs),
    /// Inspect the asynchronous queue; retry or remove jobs.
    #[command(after_help = queue::EXAMPLES)]
    Queue(QueueArgs),
    /// Send a CloudEvent to a function of a running `fnlocal dev` or `fnlocal up`.
    #[command(after_help = emit::EXAMPLES)]
    Emit(EmitArgs),
    /// Print the JSON schema of fnlocal.toml.
    #[command(after_help = "\
Examples:
  fnlocal schema > fnlocal.schema.json")]
    Schema,
    /// Print a completion script for a shell.
    #[command(after_help = shell::COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Write a man page for each command.
    #[command(after_help = shell::MAN_EXAMPLES)]
    Man(ManArgs),
}

impl Command {
    /// Returns the command's name, and the folder of the project it is about if it names one.
    pub fn place(&self) -> (&'static str, Option<&Path>) {
        let (name, folder) = match self {
            Self::Init(args) => ("init", &args.folder),
            Self::Dev(args) => ("dev", &args.folder),
            Self::Invoke(args) => ("invoke", &args.folder),
            Self::Ps(args) => ("ps", &args.folder),
            Self::Top(args) => ("top", &args.folder),
            Self::Open(args) => ("open", &args.folder),
            Self::Logs(args) => ("logs", &args.folder),
            Self::Errors(args) => ("errors", &args.folder),
            Self::Build(args) => ("build", &args.folder),
            Self::Up(args) => ("up", &args.folder),
            Self::Release(args) => ("release", &args.folder),
            Self::Registry(args) => ("registry", &args.folder),
            Self::Clean(args) => ("clean", &args.folder),
            Self::Doctor(args) => ("doctor", &args.folder),
            Self::Simulate(args) => ("simulate", &args.folder),
            #[cfg(feature = "loadtest")]
            Self::Loadtest(args) => ("loadtest", &args.folder),
            #[cfg(feature = "aws")]
            Self::Promote(args) => ("promote", &args.folder),
            #[cfg(feature = "aws")]
            Self::Status(args) => ("status", &args.folder),
            #[cfg(feature = "aws")]
            Self::Rollback(args) => ("rollback", &args.folder),
            #[cfg(feature = "aws")]
            Self::Destroy(args) => ("destroy", &args.folder),
            Self::Queue(args) => ("queue", &args.folder),
            Self::Emit(args) => ("emit", &args.folder),
            #[cfg(feature = "aws")]
            Self::Node(_) => return ("node", None),
            Self::Schema => return ("schema", None),
            Self::Completions(_) => return ("completions", None),
            Self::Man(_) => return ("man", None),
        };
        (name, Some(folder))
    }
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
    fn every_command_has_examples_and_all_of_them_are_understood() {
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
