//! `fnlocal logs`: what happened, from the files that `dev` and `up` write, or from CloudWatch.
//!
//! The files are all it needs: they are read whether or not anything runs, and followed across the
//! runs that write them.

mod args;
#[cfg(feature = "aws")]
mod remote;
#[cfg(not(feature = "aws"))]
use crate::features::absent as remote;

pub use args::{EXAMPLES, LogsArgs};

use std::io;

use fnlocal_api::Exit;
use fnlocal_logs::cursor::Cursor;
use fnlocal_logs::document::{FunctionLogLine, Invocation, LogDocument, PlatformLine};
use fnlocal_logs::query::{self, Query, QueryError};
use fnlocal_logs::watch::Growth;
use fnlocal_project::suggest;
use jiff::Timestamp;

use crate::error::{CliError, CommandResult};
use crate::lines::RecordFormatter;
use crate::log_dir;
use crate::run::warn;
use crate::terminal;

/// Lines when none are asked for: some screens.
const LAST: usize = 200;
/// Bytes read before they are printed.
const CHUNK_BYTES: usize = 64 * 1024;

/// Prints what is there, and follows.
pub fn run(args: &LogsArgs) -> CommandResult {
    if let Some(env) = &args.env_name {
        return remote::run(args, env);
    }
    let folder = log_dir::find(&args.folder)?;
    let query = query_of(args)?;
    let growth = args.follow.then(|| Growth::in_folder(&folder));
    let mut output = LogOutput::new(args.json);
    match print(&query, &folder, growth, &mut output) {
        Ok(()) => {
            if !output.printed && !args.json {
                nothing(args, &folder);
            }
            Ok(Exit::Ok)
        }
        Err(error) => not_printed(error),
    }
}

/// `fnlocal logs | head` has what it wanted.
fn not_printed(error: io::Error) -> CommandResult {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        _ => Err(CliError::failed(error)),
    }
}

fn query_of(args: &LogsArgs) -> Result<Query, QueryError> {
    let since = args.since.as_deref();
    let since = since.map(|text| query::since(text, Timestamp::now()));
    let all = args.since.is_some() || args.request.is_some();
    Ok(Query {
        function: args.function.clone(),
        since: since.transpose()?,
        grep: args.grep.as_deref().map(query::grep).transpose()?,
        request: args.request.clone(),
        kind: None,
        limit: args.limit.or((!all).then_some(LAST)),
    })
}

fn print(
    query: &Query,
    folder: &std::path::Path,
    growth: Option<Growth>,
    output: &mut LogOutput,
) -> io::Result<()> {
    let (text, mut cursor) = query.begin(folder)?;
    output.put(&text)?;
    if query.limit.is_some() && growth.is_none() {
        return Ok(());
    }
    loop {
        while let Some(text) = query.next(&mut cursor, CHUNK_BYTES)? {
            output.put(&text)?;
        }
        let Some(growth) = &growth else {
            return Ok(());
        };
        let _told = growth.wait();
    }
}

struct LogOutput {
    json: bool,
    lines: RecordFormatter,
    printed: bool,
}

impl LogOutput {
    fn new(json: bool) -> Self {
        Self {
            json,
            lines: RecordFormatter::default(),
            printed: false,
        }
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.printed |= !text.is_empty();
        if self.json {
            return terminal::write_json(text);
        }
        let mut shown = String::new();
        for line in text.lines() {
            if let Ok(kept) = serde_json::from_str::<LogDocument>(line) {
                shown.push_str(&self.lines.kept(&kept));
            }
        }
        terminal::write_out(&shown)
    }
}

/// A name that is mistyped finds nothing, which nobody notices by itself.
fn nothing(args: &LogsArgs, folder: &std::path::Path) {
    let Some(wanted) = &args.function else {
        return warn("nothing was logged that matches", None);
    };
    let names = functions(folder).unwrap_or_default();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = (!names.is_empty()).then(|| suggest(wanted, &names));
    let text = format!("nothing was logged of `{wanted}` that matches");
    warn(
        &text,
        hint.as_deref()
            .filter(|_| !names.contains(&wanted.as_str())),
    );
}

fn functions(folder: &std::path::Path) -> io::Result<std::collections::BTreeSet<String>> {
    let mut cursor = Cursor::open(folder, None)?;
    let mut names = std::collections::BTreeSet::new();
    while let Some(line) = cursor.next_line()? {
        let function = match serde_json::from_str(&line) {
            Ok(LogDocument::Invocation(Invocation { function, .. })) => function,
            Ok(LogDocument::Line(FunctionLogLine { function, .. })) => function,
            Ok(LogDocument::Platform(PlatformLine { function, .. })) => function,
            Err(_) => None,
        };
        names.extend(function.map(|name| name.to_string()));
    }
    Ok(names)
}
