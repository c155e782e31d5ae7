//! Everything that is printed goes through here, and comes out safe for a terminal.
//!
//! Text may hold what other people chose. Nothing else in this program writes to stdout or stderr
//! (clippy.toml forbids it), so a command cannot forget to make it safe.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "the one place that prints"
)]

mod progress;
pub mod safe;

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};

use fnlocal_api::Exit;

pub use progress::*;
pub use safe::{one_line, printed_line};

/// The maximum length of a line on a terminal, in characters: some screens' worth.
const MAX_LINE_CHARS: usize = 8192;

/// Writes text for people to stdout.
pub fn write_out(text: &str) -> io::Result<()> {
    let stdout = anstream::stdout();
    let most = stdout.is_terminal().then_some(MAX_LINE_CHARS);
    let mut stdout = stdout.lock();
    stdout.write_all(safe::lines(text, most).as_bytes())?;
    stdout.flush()
}

/// Writes text for people to stderr. A terminal that is gone is no reason to end.
pub fn write_err(text: &str) {
    let stderr = anstream::stderr();
    let most = stderr.is_terminal().then_some(MAX_LINE_CHARS);
    let _gone = stderr.lock().write_all(safe::lines(text, most).as_bytes());
}

/// Writes JSON to stderr. A terminal that is gone is no reason to end.
pub fn write_err_json(text: &str) {
    let _gone = io::stderr().lock().write_all(safe::json(text).as_bytes());
}

/// Writes JSON to stdout.
pub fn write_json(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(safe::json(text).as_bytes())?;
    stdout.flush()
}

/// Prints a JSON value and a line feed to stdout.
pub fn print_json(value: &impl Display) {
    or_end(write_json(&format!("{value}\n")));
}

/// Prints text for people to stdout.
pub fn print_out(text: &str) {
    or_end(write_out(text));
}

/// Prints a whole body to stdout: exact in a pipe, made safe on a terminal.
pub fn print_body(bytes: &[u8]) {
    let mut body = BodyPrinter::start();
    or_end(body.write(bytes).and_then(|()| body.end()));
}

/// Bytes that were asked for, on stdout: exact in a pipe, made safe on a terminal.
pub struct BodyPrinter {
    stdout: io::StdoutLock<'static>,
    shown: Option<safe::Bytes>,
    last: u8,
}

impl BodyPrinter {
    /// Locks stdout until it is dropped.
    pub fn start() -> Self {
        let stdout = io::stdout().lock();
        let shown = stdout.is_terminal().then(safe::Bytes::default);
        Self {
            stdout,
            shown,
            last: b'\n',
        }
    }

    /// Writes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.last = bytes.last().copied().unwrap_or(self.last);
        match &mut self.shown {
            Some(shown) => self.stdout.write_all(shown.next(bytes).as_bytes())?,
            None => self.stdout.write_all(bytes)?,
        }
        self.stdout.flush()
    }

    /// Ends the line on a terminal.
    pub fn end(mut self) -> io::Result<()> {
        if let Some(shown) = &mut self.shown {
            self.stdout.write_all(shown.end().as_bytes())?;
            if self.last != b'\n' {
                self.stdout.write_all(b"\n")?;
            }
        }
        self.stdout.flush()
    }
}

/// Sends panics' messages through this module: they quote text, too.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let trace = std::backtrace::Backtrace::capture();
        let trace = match trace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("{trace}\n"),
            _ => String::new(),
        };
        write_err(&format!("{panic}\n{trace}"));
    }));
}

/// Returns whether stdout is a terminal.
pub fn is_out() -> bool {
    io::stdout().is_terminal()
}

/// Returns whether stderr is a terminal.
#[cfg(feature = "aws")]
pub fn is_err() -> bool {
    io::stderr().is_terminal()
}

/// `fnlocal ps | head` has what it wanted; a disk that is full is an error.
fn or_end(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            write_err(&format!("error: stdout cannot be written: {error}\n"));
            std::process::exit(Exit::Failed as i32);
        }
        _ => {}
    }
}

macro_rules! line_to_stdout {
    ($($text:tt)*) => { $crate::terminal::print_out(&(format!($($text)*) + "\n")) };
}
macro_rules! text_to_stdout {
    ($($text:tt)*) => { $crate::terminal::print_out(&format!($($text)*)) };
}
macro_rules! line_to_stderr {
    ($($text:tt)*) => { $crate::terminal::write_err(&(format!($($text)*) + "\n")) };
}
macro_rules! text_to_stderr {
    ($($text:tt)*) => { $crate::terminal::write_err(&format!($($text)*)) };
}
pub(crate) use {line_to_stderr as eprintln, line_to_stdout as println};
pub(crate) use {text_to_stderr as eprint, text_to_stdout as print};
