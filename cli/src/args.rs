//! What may stand on the command line.

mod destroy;
mod emit;
mod errors;
mod init;
mod invoke;
mod loadtest;
mod logs;
mod look;
mod mounts;
mod node;
mod promote;
mod queue;
mod rollback;
mod shell;
mod simulate;
mod status;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use fnlocal_emulator::fleet::{FleetOptions, Size};
use fnlocal_emulator::image::oci::manifest::Platform;
use fnlocal_emulator::inspect::{self, InspectOptions};

pub use destroy::Destroy;
pub use emit::Emit;
pub use errors::Errors;
pub use init::{Init, Template};
pub use invoke::Invoke;
pub use loadtest::{LoadProfile, Loadtest};
pub use logs::Logs;
pub use look::{Open, Ps, Top};
pub use mounts::MountsChoice;
pub use node::Node;
pub use promote::Promote;
pub use queue::{Chosen, Queue, QueueCommand};
pub use rollback::Rollback;
pub use shell::{Completions, Man};
pub use simulate::{RoutingChoice, Simulate};
pub use status::Status;

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
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a project: a few files that `fnlocal dev` runs at once.
    #[command(after_help = init::EXAMPLES)]
    Init(Init),
    /// Run a folder of functions, with warm pools and hot reload.
    #[command(after_help = "\
Examples:
  fnlocal dev                        run the functions of this folder
  fnlocal dev examples/auction       those of another
  fnlocal dev hello.js --port 8080   one file, on a port of your choice
  fnlocal dev --runtime process      without Docker, less isolated
  fnlocal dev --mounts copy          code is copied into the engine, not mounted
  fnlocal dev --nodes 3              three nodes behind a load balancer, as in the cloud
  fnlocal dev --scale 2..10 --time-scale 10
  fnlocal dev --inspect bid          let a debugger attach to one function
  fnlocal dev --json | jq .          records for machines")]
    Dev(Dev),
    /// Call a function of a running `fnlocal dev` or `fnlocal up`.
    #[command(after_help = invoke::EXAMPLES)]
    Invoke(Invoke),
    /// Show what runs: functions, instances by state, queues, memory.
    #[command(after_help = look::PS_EXAMPLES)]
    Ps(Ps),
    /// Watch what runs, full-screen.
    #[command(after_help = look::TOP_EXAMPLES)]
    Top(Top),
    /// Open the dashboard of a running `fnlocal dev` or `fnlocal up` in the browser.
    #[command(after_help = look::OPEN_EXAMPLES)]
    Open(Open),
    /// Show what happened: invocations, lines of functions, reloads and errors.
    #[command(after_help = logs::EXAMPLES)]
    Logs(Logs),
    /// Show errors of functions, grouped by where they come from.
    #[command(after_help = "\
Examples:
  fnlocal errors
  fnlocal errors bid
  fnlocal errors --json | jq '.[] | {message, count, last_seen}'")]
    Errors(Errors),
    /// Build an OCI image of every package, into the project's own registry.
    #[command(after_help = "\
Examples:
  fnlocal build                      the packages of this folder
  fnlocal build examples/auction     those of another
  fnlocal build --platform linux/amd64,linux/arm64
  fnlocal build --json | jq -r '.images[].digest'")]
    Build(Build),
    /// Serve a release from the registry's images, exactly as a node in the cloud does.
    #[command(after_help = "\
Examples:
  fnlocal up                         build this folder, then serve the release
  fnlocal up --release 3f9a01bc      serve one that is kept, by the beginning of its digest
  fnlocal up --release release.json  serve one from a file
  fnlocal up --nodes 3               on three nodes behind a load balancer
  fnlocal up --scale --env prod      as many as the group of [env.prod] wants")]
    Up(Up),
    /// Show releases: immutable lists of functions, images and limits.
    #[command(after_help = "\
Examples:
  fnlocal release list
  fnlocal release list --env prod    what rollback could go back to, the one that runs marked
  fnlocal release show 3f9a01bc > release.json
  fnlocal release diff 3f9a01bc 77b0c2d1
  fnlocal release prune --keep 3 --dry-run")]
    Release(Releases),
    /// Serve the project's registry, for docker pull, docker push, skopeo and other OCI clients.
    #[command(after_help = "\
Examples:
  fnlocal registry --port 5000
  docker pull 127.0.0.1:5000/auction/auction:latest
  docker run -e PORT=8080 -p 8080:8080 127.0.0.1:5000/auction/auction:latest")]
    Registry(Registry),
    /// Remove what fnlocal keeps for a project: containers, images, its registry and copies of code.
    #[command(after_help = "\
Examples:
  fnlocal clean --dry-run            list what would be removed
  fnlocal clean                      remove it
  fnlocal clean --shared             base images and the cache of all projects, too")]
    Clean(Clean),
    /// Look at what fnlocal needs of this machine, with a fix for what is not well.
    #[command(after_help = "\
Examples:
  fnlocal doctor
  fnlocal doctor --json | jq '.[] | select(.state != \"good\")'")]
    Doctor(Doctor),
    /// See what a surge or a spike does to a fleet, on virtual time.
    #[command(after_help = "\
Examples:
  fnlocal simulate --env prod --load spike:2..500 --html spike.html
  fnlocal simulate --env prod --load spike:2..500 --begin 30m --find-prescale
  fnlocal simulate --load steady:200 --sweep nodes=1,2,4,8
  fnlocal simulate --load steady:200 --nodes 3 --kill 1@10m   a node dies
  fnlocal simulate --trace access.log --profile lambda
  fnlocal simulate --replay recording.jsonl   what `fnlocal dev --record` wrote

Functions and limits are those of fnlocal.toml; what only code says is not known here.")]
    Simulate(Box<Simulate>),
    /// Send load to running functions, and report warm, spare, cold and queued requests apart.
    #[command(after_help = "\
Examples:
  fnlocal loadtest                                   20 requests a second to all functions of this folder
  fnlocal loadtest --profile spike --rate 10 --peak 300 --html report.html
  fnlocal loadtest --profile coldstart --function bid
  fnlocal loadtest --scenario bids --users 50        users who wait for answers, on goose
  fnlocal loadtest --save new.json --compare old.json --fail-if 'cold.p99>800ms' --fail-if 'errors>0.1%'
  fnlocal loadtest --url https://staging.example.org --yes

Profiles:
  steady     the same rate all the time
  surge      grows from --rate to --peak over most of the run
  spike      jumps from --rate to --peak within a second, and back
  soak       steady for an hour
  coldstart  forces cold starts, one by one and many at once")]
    Loadtest(Box<Loadtest>),
    /// Serve the release a group of EC2 machines follows; each of them runs this.
    #[command(after_help = node::EXAMPLES)]
    Node(Node),
    /// Bring a folder of functions to AWS: the same images and gateway, on ECR and a group of nodes.
    #[command(after_help = promote::EXAMPLES)]
    Promote(Box<Promote>),
    /// Show how an environment on AWS is: release, nodes, health, cost.
    #[command(after_help = status::EXAMPLES)]
    Status(Status),
    /// Have an environment's nodes go back to a release that is kept.
    #[command(after_help = rollback::EXAMPLES)]
    Rollback(Rollback),
    /// Delete all that fnlocal has made on AWS for an environment.
    #[command(after_help = destroy::EXAMPLES)]
    Destroy(Destroy),
    /// Look into the queue of invocations nobody waits for, retry what was given up, remove jobs.
    #[command(after_help = "\
Examples:
  curl -X POST localhost:9000/mail -H 'x-fnlocal-invoke: async' -d hello
  fnlocal queue list
  fnlocal queue list --dead --json | jq -r '.[].job.error'
  fnlocal queue show 0006441f2a91c3d8
  fnlocal queue retry --dead --function mail
  fnlocal queue purge 0006441f2a91c3d8")]
    Queue(Queue),
    /// Send a CloudEvent to a function of the fnlocal that runs here.
    #[command(after_help = "\
Examples:
  fnlocal emit resize --type com.example.upload --data '{\"key\": \"cat.png\"}'
  fnlocal emit resize --data @event.json --structured
  fnlocal emit resize --async --order-key cat.png")]
    Emit(Emit),
    /// Print the JSON schema of fnlocal.toml.
    #[command(after_help = "\
Examples:
  fnlocal schema > fnlocal.schema.json")]
    Schema,
    /// Print what a shell needs to complete fnlocal's commands and options.
    #[command(after_help = shell::COMPLETIONS_EXAMPLES)]
    Completions(Completions),
    /// Write a man page of each command.
    #[command(after_help = shell::MAN_EXAMPLES)]
    Man(Man),
}

/// Arguments of `fnlocal dev`.
#[derive(Debug, clap::Args)]
pub struct Dev {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The port to listen on; 0 takes a free one.
    #[arg(short, long, env = "FNLOCAL_PORT")]
    pub port: Option<u16>,
    /// The address to listen on. Others than this machine's own let others in.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: std::net::IpAddr,
    /// What runs the instances.
    #[arg(long, value_enum)]
    pub runtime: Option<RuntimeChoice>,
    /// How code gets into containers.
    #[arg(long, value_enum, default_value_t = MountsChoice::Auto, env = "FNLOCAL_MOUNTS")]
    pub mounts: MountsChoice,
    /// Use `.env.NAME` besides `.env`.
    #[arg(long = "env", value_name = "NAME")]
    pub env_name: Option<String>,
    /// Impose the limits of another platform.
    #[arg(long, value_enum, default_value_t = ProfileChoice::Fnlocal)]
    pub profile: ProfileChoice,
    /// Write what the core decides, and why, to a file for `fnlocal simulate --replay`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "scale"])]
    pub record: Option<PathBuf>,
    /// Let a debugger attach to a function, on a port of 127.0.0.1 that stays the same across
    /// reloads [default port: 9229]. It then has one instance, and no timeout while one is attached.
    #[arg(long, value_name = "FUNCTION[=PORT]", value_parser = inspect, conflicts_with_all = ["nodes", "scale"])]
    pub inspect: Option<InspectOptions>,
    /// Do not print a line for every request.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print records as JSON, one a line, on stdout.
    #[arg(long)]
    pub json: bool,
    /// Several nodes instead of one.
    #[command(flatten)]
    pub fleet: Fleet,
}

fn inspect(text: &str) -> Result<InspectOptions, &'static str> {
    let (function, port) = text.split_once('=').unwrap_or((text, ""));
    let port = match port {
        "" => Ok(inspect::PORT),
        port => port
            .parse()
            .map_err(|_| "a port is a number up to 65535, as in bid=9230"),
    };
    Ok(InspectOptions {
        function: function.to_owned(),
        port: port?,
    })
}

/// Several nodes in one process, as in the cloud.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fleet")]
pub struct Fleet {
    /// Run so many nodes, each with its own memory and instances, behind a load balancer.
    #[arg(long, value_name = "N", conflicts_with = "scale", value_parser = clap::value_parser!(u32).range(1..))]
    pub nodes: Option<u32>,
    /// Run as many nodes as an auto-scaling group wants: between MIN and MAX, or as in
    /// [env.NAME] of fnlocal.toml. Nodes boot as late as machines do.
    #[arg(long, value_name = "MIN..MAX", num_args = 0..=1)]
    pub scale: Option<Option<NodeRange>>,
    /// Let nodes boot, metrics be taken and alarms go off so many times as fast.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = time_scale)]
    pub time_scale: f64,
}

/// Nodes at the least and at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRange {
    /// At the least.
    pub min: u32,
    /// At the most.
    pub max: u32,
}

impl std::str::FromStr for NodeRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write the least and the most, as in 2..10";
        let (min, max) = text.split_once("..").ok_or(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong);
        Ok(Self {
            min: number(min)?,
            max: number(max)?,
        })
    }
}

fn time_scale(text: &str) -> Result<f64, &'static str> {
    let times: f64 = text.parse().map_err(|_| "it is not a number")?;
    if (0.01..=1000.0).contains(&times) {
        Ok(times)
    } else {
        Err("it must be between 0.01 and 1000")
    }
}

impl Fleet {
    /// As the emulator wants it; none for a single node.
    pub fn options(&self) -> Option<FleetOptions> {
        let size = match (self.nodes, self.scale) {
            (Some(nodes), _) => Size::Fixed(nodes),
            (None, Some(range)) => Size::Scaled(range.map(|range| (range.min, range.max))),
            (None, None) => return None,
        };
        Some(FleetOptions {
            size,
            time_scale: self.time_scale,
        })
    }
}

/// Arguments of `fnlocal build`.
#[derive(Debug, clap::Args)]
pub struct Build {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Platforms to build for, such as linux/amd64,linux/arm64 [default: this machine's].
    #[arg(long, value_delimiter = ',', value_name = "PLATFORM")]
    pub platform: Vec<Platform>,
    /// Look for a newer base image.
    #[arg(long)]
    pub pull: bool,
    /// Print what was built as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `fnlocal up`.
#[derive(Debug, clap::Args)]
pub struct Up {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// A release: a file, or the beginning of its digest [default: built anew].
    #[arg(long)]
    pub release: Option<String>,
    /// The port to listen on; 0 takes a free one.
    #[arg(short, long, env = "FNLOCAL_PORT")]
    pub port: Option<u16>,
    /// The address to listen on. Others than this machine's own let others in.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: std::net::IpAddr,
    /// Use `.env.NAME` besides `.env`.
    #[arg(long = "env", value_name = "NAME")]
    pub env_name: Option<String>,
    /// Do not print a line for every request.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print records as JSON, one a line, on stdout.
    #[arg(long)]
    pub json: bool,
    /// Several nodes instead of one.
    #[command(flatten)]
    pub fleet: Fleet,
}

/// Arguments of `fnlocal release`.
#[derive(Debug, clap::Args)]
pub struct Releases {
    /// What to do.
    #[command(subcommand)]
    pub command: ReleaseCommand,
    /// The project's folder.
    #[arg(long, default_value = ".", global = true)]
    pub folder: PathBuf,
    /// Print JSON on stdout.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do with releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// The releases that are kept, the newest first.
    List {
        /// Those that can be rolled back to in this environment on AWS.
        #[arg(long = "env", value_name = "NAME")]
        env_name: Option<String>,
    },
    /// One release, whole.
    Show {
        /// A file, or the beginning of its digest.
        release: String,
    },
    /// Forget old releases, and remove images no release names any more.
    Prune {
        /// How many of the newest stay.
        #[arg(long, default_value_t = 10)]
        keep: usize,
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// What differs for callers between two.
    Diff {
        /// The older one.
        old: String,
        /// The newer one.
        new: String,
    },
}

/// Arguments of `fnlocal doctor`.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Print what was found as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `fnlocal clean`.
#[derive(Debug, clap::Args)]
pub struct Clean {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Also what projects share: base images and the cache of bases.
    #[arg(long)]
    pub shared: bool,
    /// List what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print what was removed as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `fnlocal registry`.
#[derive(Debug, clap::Args)]
pub struct Registry {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The port to listen on; 0 takes a free one.
    #[arg(short, long, default_value_t = 5000)]
    pub port: u16,
    /// Print records as JSON, one a line, on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What runs the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeChoice {
    /// Docker if it answers, else processes; says which and why.
    Auto,
    /// Containers of the Docker engine.
    Docker,
    /// Node.js processes of your own user.
    Process,
}

/// Whose limits apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileChoice {
    /// Those of fnlocal.toml.
    Fnlocal,
    /// AWS Lambda's: 1,000 at once, 1,000 starts in 10 s, 6 MB, 429 instead of a queue.
    Lambda,
    /// Google Cloud Run's: 100 instances of 80 requests, a wait of 10 s or more, then 429.
    Cloudrun,
}

impl From<ProfileChoice> for fnlocal_core::Profile {
    fn from(choice: ProfileChoice) -> Self {
        match choice {
            ProfileChoice::Fnlocal => Self::Fnlocal,
            ProfileChoice::Lambda => Self::Lambda,
            ProfileChoice::Cloudrun => Self::CloudRun,
        }
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
        for command in Args::command().get_subcommands() {
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
