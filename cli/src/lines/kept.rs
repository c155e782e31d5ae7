//! Documents of a log as lines for people.

use std::fmt::Write as _;

use fnlocal_core::StartKind;
use fnlocal_logs::document::{Invocation, LogDocument, PlatformLine};

use super::{DIM, GREEN, RED, RecordFormatter, YELLOW, bytes, millis, status, time};
use crate::terminal::{one_line, printed_line};

impl RecordFormatter {
    /// A document of a log as text, with its line feed.
    pub fn kept(&mut self, kept: &LogDocument) -> String {
        match kept {
            LogDocument::Invocation(one) => self.invocation(one),
            LogDocument::Line(line) => {
                let function = line.function.as_ref();
                let style = function.map_or(DIM, |function| self.style(function));
                let bar = if line.stream == "stderr" {
                    "┃"
                } else {
                    "│"
                };
                let name = self.name(function);
                let text = printed_line(&line.text);
                format!(
                    "{}  {name}  {style}{bar}{style:#} {text}\n",
                    time(line.time)
                )
            }
            LogDocument::Platform(said) => self.said(said),
        }
    }

    fn invocation(&mut self, one: &Invocation) -> String {
        let name = self.name(one.function.as_ref());
        let length = millis(fnlocal_core::time::bounded_millis(one.duration_ms));
        let mut line = format!(
            "{}  {name}  {}  {length:>9}  {DIM}{:<6}{DIM:#}  {} {}{DIM}",
            time(one.time),
            status(one.status),
            one.start.map_or("-", StartKind::word),
            one_line(&one.method),
            one_line(&one.path)
        );
        if let Some(billed) = one.billed_ms {
            let _infallible = write!(line, "  billed {billed} ms");
        }
        if let Some(cpu) = one.cpu_ms {
            let _infallible = write!(line, "  cpu {cpu:.1} ms");
        }
        if let Some(memory) = one.memory_bytes {
            let _infallible = write!(line, "  {}", bytes(memory));
        }
        let _infallible = write!(line, "  {}{DIM:#}", one.request);
        if let Some(problem) = &one.problem {
            let _infallible = write!(line, "  {YELLOW}{problem}{YELLOW:#}");
        }
        line.push('\n');
        line
    }

    fn said(&mut self, said: &PlatformLine) -> String {
        let name = self.name(said.function.as_ref());
        let style = match said.event.as_str() {
            "error" | "import_failed" | "died" | "start_failed" => RED,
            "warning" | "dropped" => YELLOW,
            "reloaded" => GREEN,
            _ => DIM,
        };
        let text = one_line(&said.text);
        let mut lines = format!("{}  {name}  {style}{text}{style:#}\n", time(said.time));
        for line in said.detail.as_deref().unwrap_or_default().lines() {
            let _infallible = writeln!(
                lines,
                "              {style}┃{style:#} {}",
                printed_line(line)
            );
        }
        lines
    }
}
