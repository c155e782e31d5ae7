//! From arguments to an exit code.

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::{Args, Command};
use crate::build;
use crate::clean;
use crate::dev;
use crate::doctor;
use crate::emit;
use crate::exit::Exit;
use crate::features;
#[cfg(feature = "loadtest")]
use crate::loadtest;
#[cfg(feature = "aws")]
use crate::node;
use crate::queue;
use crate::simulate;
use crate::terminal;
#[cfg(feature = "aws")]
use crate::{destroy, promote, rollback, status};
use crate::{errors, init, invoke, logs, open, ps, registry, release, shell, top, up};

/// Parses the arguments, runs the command, prints its error if it has one.
pub fn run() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            if let Some((command, feature)) = left_out(&error) {
                return features::missing(&format!("fnlocal {command}"), feature);
            }
            let text = error.render().ansi().to_string();
            if error.use_stderr() {
                terminal::eprint!("{text}");
            } else {
                terminal::print!("{text}");
            }
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Ok,
                _ => Exit::Usage,
            };
        }
    };
    command(args)
}

/// Returns the command that an error is about, and its feature, when this build leaves it out.
fn left_out(error: &clap::Error) -> Option<(&str, &'static str)> {
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) => Some((name, features::adding(name)?)),
        _ => None,
    }
}

/// Runs the command.
pub fn command(args: Args) -> Exit {
    match args.command {
        Command::Init(args) => init::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Invoke(args) => invoke::run(&args),
        Command::Ps(args) => ps::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Open(args) => open::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Errors(args) => errors::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Up(args) => up::run(&args),
        Command::Release(args) => release::run(&args),
        Command::Registry(args) => registry::run(&args),
        Command::Clean(args) => clean::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        #[cfg(feature = "loadtest")]
        Command::Loadtest(args) => loadtest::run(&args),
        #[cfg(feature = "aws")]
        Command::Node(args) => node::run(&args),
        #[cfg(feature = "aws")]
        Command::Promote(args) => promote::run(&args),
        #[cfg(feature = "aws")]
        Command::Status(args) => status::run(&args),
        #[cfg(feature = "aws")]
        Command::Rollback(args) => rollback::run(&args),
        #[cfg(feature = "aws")]
        Command::Destroy(args) => destroy::run(&args),
        Command::Queue(args) => queue::run(&args),
        Command::Emit(args) => emit::run(&args),
        Command::Schema => schema(),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    }
}

fn schema() -> Exit {
    match serde_json::to_string_pretty(&fnlocal_project::schema()) {
        Ok(text) => {
            terminal::print_json(&text);
            Exit::Ok
        }
        Err(error) => fail(Exit::Bug, &error, None),
    }
}

/// The time, RFC 3339 in UTC, to the second.
pub fn now() -> String {
    let now = jiff::Timestamp::now();
    format!("{now:.0}")
}

/// Prints what is odd but no reason to stop.
pub fn warn(text: &str, hint: Option<&str>) {
    let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
    terminal::eprintln!("{yellow}warning:{yellow:#} {text}");
    if let Some(hint) = hint {
        terminal::eprintln!("  hint: {hint}");
    }
}

/// Prints an error with its causes and what to do about it.
pub fn fail(exit: Exit, error: &dyn std::error::Error, hint: Option<&str>) -> Exit {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let bold = anstyle::Style::new().bold();
    let mut text = format!("{red}error:{red:#} {error}\n");
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        // Transparent wrappers repeat what they wrap.
        let next = source.to_string();
        if !said.contains(&next) {
            text.push_str(&format!("  {next}\n"));
        }
        said = next;
        cause = source.source();
    }
    if let Some(hint) = hint {
        text.push_str(&format!("{bold}hint:{bold:#} {hint}\n"));
    }
    terminal::eprint!("{text}");
    exit
}
