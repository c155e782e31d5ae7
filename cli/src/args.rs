//! What may stand on the command line.

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
  0 done   1 failed   2 wrong usage   3 a plan has changes   64 bad configuration
  69 Docker or AWS unreachable   70 a fault of fnlocal   75 try again   130 interrupted";

/// Serverless functions on this laptop, and the same images and gateway in the cloud.
#[derive(Debug, Parser)]
#[command(name = "fnlocal", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Say on stderr what fnlocal itself does; twice says more. FNLOCAL_LOG chooses parts.
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
        /// What to do.
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
    /// Begin a project: a few files that `fnlocal dev` runs at once.
    init => Init(crate::init::InitArgs) in folder;
    /// Run a folder of functions, with warm pools and hot reload.
    dev => Dev(crate::dev::DevArgs) in folder;
    /// Call a function of a running `fnlocal dev` or `fnlocal up`.
    invoke => Invoke(crate::invoke::InvokeArgs) in folder;
    /// Show what runs: functions, instances by state, queues, memory.
    ps => Ps(crate::ps::PsArgs) in folder;
    /// Watch what runs, full-screen.
    top => Top(crate::top::TopArgs) in folder;
    /// Open the dashboard of a running `fnlocal dev` or `fnlocal up` in the browser.
    open => Open(crate::open::OpenArgs) in folder;
    /// Show what happened: invocations, lines of functions, reloads and errors.
    logs => Logs(crate::logs::LogsArgs) in folder;
    /// Show errors of functions, grouped by where they come from.
    errors => Errors(crate::errors::ErrorsArgs) in folder;
    /// Build an OCI image of every package, into the project's own registry.
    build => Build(crate::build::BuildArgs) in folder;
    /// Serve a release from the registry's images, exactly as a node in the cloud does.
    up => Up(crate::up::UpArgs) in folder;
    /// Show releases: immutable lists of functions, images and limits.
    release => Release(crate::release::ReleaseArgs) in folder;
    /// Serve the project's registry, for docker pull, docker push, skopeo and other OCI clients.
    registry => Registry(crate::registry::RegistryArgs) in folder;
    /// Remove what fnlocal keeps for a project: containers, images, its registry and copies of code.
    clean => Clean(crate::clean::CleanArgs) in folder;
    /// Look at what fnlocal needs of this machine, with a fix for what is not well.
    doctor => Doctor(crate::doctor::DoctorArgs) in folder;
    /// See what a surge or a spike does to a fleet, on virtual time.
    simulate => Simulate(Box<crate::simulate::SimulateArgs>) in folder;
    /// Send load to running functions, and report warm, spare, cold and queued requests apart.
    loadtest => Loadtest(Box<crate::loadtest::LoadtestArgs>) in folder if "loadtest";
    /// Serve the release a group of EC2 machines follows; each of them runs this.
    node => Node(crate::node::NodeArgs) if "aws";
    /// Bring a folder of functions to AWS: the same images and gateway, on ECR and a group of nodes.
    promote => Promote(Box<crate::promote::PromoteArgs>) in folder if "aws";
    /// Show how an environment on AWS is: release, nodes, health, cost.
    status => Status(crate::status::StatusArgs) in folder if "aws";
    /// Have an environment's nodes go back to a release that is kept.
    rollback => Rollback(crate::rollback::RollbackArgs) in folder if "aws";
    /// Delete all that fnlocal has made on AWS for an environment.
    destroy => Destroy(crate::destroy::DestroyArgs) in folder if "aws";
    /// Look into the queue of invocations nobody waits for, retry what was given up, remove jobs.
    queue => Queue(crate::queue::QueueArgs) in folder;
    /// Send a CloudEvent to a function of the fnlocal that runs here.
    emit => Emit(crate::emit::EmitArgs) in folder;
    /// Print the JSON schema of fnlocal.toml.
    schema => Schema(crate::schema::SchemaArgs);
    /// Print what a shell needs to complete fnlocal's commands and options.
    completions => Completions(crate::completions::CompletionsArgs);
    /// Write a man page of each command.
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
