//! `fnlocal errors`: what went wrong, grouped by where it comes from.

mod args;

pub use args::{EXAMPLES, ErrorsArgs};

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use fnlocal_api::{Cause, Exit};
use fnlocal_logs::errors::{ErrorGroup, Groups};

use crate::error::{CliError, CommandResult};
use crate::lines::ago;
use crate::log_dir;
use crate::terminal::{self, one_line};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
/// Frames of a stack that are shown.
const FRAMES: usize = 5;

/// Prints the groups, the last seen first.
pub fn run(args: &ErrorsArgs) -> CommandResult {
    let folder = log_dir::find(&args.folder)?;
    let mut groups = Groups::read(&folder).all();
    if let Some(wanted) = &args.function {
        groups.retain(|group| group.function.as_deref() == Some(wanted.as_str()));
    }
    if args.json {
        let text = serde_json::to_string_pretty(&groups).map_err(CliError::bug)?;
        terminal::print_json(&text);
        return Ok(Exit::Ok);
    }
    if groups.is_empty() {
        terminal::eprintln!("no errors were seen");
    }
    let texts: Vec<String> = groups.iter().map(text).collect();
    terminal::print!("{}", texts.join("\n"));
    Ok(Exit::Ok)
}

fn text(group: &ErrorGroup) -> String {
    let times = match group.count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let function = one_line(group.function.as_deref().unwrap_or("-"));
    let name = match group.name.as_str() {
        "" => String::new(),
        name => format!("{}: ", one_line(name)),
    };
    let message = one_line(&group.message);
    let mut text = format!(
        "{RED}{name}{message}{RED:#}\n  {BOLD}{function}{BOLD:#}  {times}, {}{}\n",
        ago(group.last_seen),
        how(group.cause)
    );
    let mut line = |label: &str, value: String| {
        let _infallible = writeln!(text, "  {DIM}{label:<8}{DIM:#} {}", one_line(&value));
    };
    if let Some(file) = &group.file {
        line("at", place(file, group.line, group.column));
    }
    line(
        "first",
        format!("{:.0}, code {}", group.first_seen, short(&group.first_code)),
    );
    line(
        "last",
        format!("{:.0}, code {}", group.last_seen, short(&group.last_code)),
    );
    if let Some(request) = &group.request {
        let what = request.method.as_deref().zip(request.path.as_deref());
        let what = what.map(|(method, path)| format!("  {method} {path}"));
        line(
            "request",
            format!("{}{}", request.id, what.unwrap_or_default()),
        );
    }
    let frames = group.stack.iter().flat_map(|stack| stack.lines());
    let frames = frames.filter(|line| line.trim_start().starts_with("at "));
    for frame in frames.take(FRAMES) {
        let _infallible = writeln!(text, "    {DIM}{}{DIM:#}", one_line(frame.trim()));
    }
    if let Some(hint) = &group.hint {
        let _infallible = writeln!(text, "  {BOLD}hint:{BOLD:#} {}", one_line(hint));
    }
    text
}

fn how(cause: Cause) -> &'static str {
    match cause {
        Cause::Handler => "",
        Cause::Uncaught => ", thrown where nobody catches",
        Cause::Rejection => ", a rejection nobody handles",
        Cause::Timeout => ", out of time",
        Cause::OutOfMemory => ", out of memory",
        Cause::Exit => ", its process ended",
    }
}

/// As terminals find files: `file:line:column`.
fn place(file: &str, line: Option<u32>, column: Option<u32>) -> String {
    let numbers = [line, column].into_iter().map_while(|number| number);
    numbers.fold(file.to_owned(), |text, number| format!("{text}:{number}"))
}

fn short(code: &str) -> &str {
    code.get(..8).unwrap_or(code)
}
