//! From arguments to an exit code.

use std::path::Path;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use fnlocal_api::Exit;

use crate::args::Args;
use crate::diagnosis;
use crate::error::CliError;
use crate::features;
use crate::terminal;

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
    let name = args.command.name();
    let folder = args.command.folder().unwrap_or(Path::new("."));
    let _writing = match diagnosis::start(args.verbose, folder) {
        Ok(writing) => writing,
        Err(error) => return fail(&error.into()),
    };
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(command = name, version, pid = std::process::id(), "begins");
    let exit = command(&args);
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
pub fn command(args: &Args) -> Exit {
    args.command.run().unwrap_or_else(|error| fail(&error))
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
