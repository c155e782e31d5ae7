//! From arguments to an exit code.

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use fnlocal_api::Exit;

use crate::args::{Args, Command};
use crate::build;
use crate::clean;
use crate::dev;
use crate::diagnosis;
use crate::doctor;
use crate::emit;
use crate::error::{CliError, CommandResult};
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

/// Parses the arguments and runs the command.
pub fn run() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            if let Some((command, feature)) = left_out(&error) {
                return fail(&features::missing(&format!("fnlocal {command}"), feature));
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
    let (name, folder) = args.command.place();
    let folder = folder.unwrap_or(std::path::Path::new("."));
    let _writing = match diagnosis::start(args.verbose, folder) {
        Ok(writing) => writing,
        Err(error) => return fail(&error.into()),
    };
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(command = name, version, pid = std::process::id(), "begins");
    let exit = command(args);
    tracing::info!(command = name, code = exit as i32, "ends");
    exit
}

/// Returns the command that an error is about, and its feature, when this build leaves it out.
fn left_out(error: &clap::Error) -> Option<(&str, &'static str)> {
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) => Some((name, features::adding(name)?)),
        _ => None,
    }
}

/// Runs the command, and prints its error if it has one.
pub fn command(args: Args) -> Exit {
    perform(args).unwrap_or_else(|error| fail(&error))
}

fn perform(args: Args) -> CommandResult {
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

fn schema() -> CommandResult {
    let text = serde_json::to_string_pretty(fnlocal_project::schema()).map_err(CliError::bug)?;
    terminal::print_json(&text);
    Ok(Exit::Ok)
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

/// Prints an error with its causes and its hint.
fn fail(failed: &CliError) -> Exit {
    if let Some(frame) = &failed.frame {
        terminal::eprintln!("{frame}");
    }
    let error = &failed.error;
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
    if let Some(hint) = &failed.hint {
        text.push_str(&format!("{bold}hint:{bold:#} {hint}\n"));
    }
    terminal::eprint!("{text}");
    failed.exit
}
