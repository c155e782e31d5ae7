//! Records as lines for people.

mod kept;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use fnlocal_api::Failure;
use fnlocal_core::StartKind;
use fnlocal_logs::{Record, RequestRecord};
use jiff::Timestamp;

use crate::printer::TimedRecord;
use crate::terminal::{one_line, printed_line};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const YELLOW: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
const GREEN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Green,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
];

/// Writes records the way a person reads them.
#[derive(Default)]
pub struct RecordFormatter {
    colours: BTreeMap<Arc<str>, AnsiColor>,
    width: usize,
}

impl RecordFormatter {
    /// One record as text with its line feed; empty for what is not shown.
    pub fn write(&mut self, one: &TimedRecord) -> String {
        let at = one.at;
        match &one.record {
            Record::Request(request) => self.request(request, at),
            Record::Done { .. } => String::new(),
            Record::Line {
                function,
                line,
                stderr,
                ..
            } => self.output(function.as_ref(), line, *stderr),
            Record::Error {
                function,
                failure,
                fatal,
                before,
                ..
            } => self.error((function.as_ref(), at), failure, *fatal, *before),
            Record::ImportFailed { function, failure } => {
                let title = format!("cannot be imported: {}", failure.summary());
                let hint = failure.hint.as_deref();
                self.failure((Some(function), at), &title, failure.frame.as_deref(), hint)
            }
            Record::Died {
                function, reason, ..
            } => {
                let title = format!("its instance ended: {reason}");
                self.failure((function.as_ref(), at), &title, None, None)
            }
            Record::StartFailed {
                package,
                error,
                hint,
            } => {
                let title = format!("an instance of {package} could not be started: {error}");
                self.failure((None, at), &title, None, hint.as_deref())
            }
            Record::Engine { up, message } => mark(*up, message),
            Record::Switched {
                function,
                files,
                after,
            } => {
                let name = self.name(Some(function));
                let after = after.map(|after| format!(" in {}", millis(after)));
                format!(
                    "{}  {name}  {GREEN}reloaded{GREEN:#}{} {DIM}{}{DIM:#}\n",
                    clock(at),
                    after.unwrap_or_default(),
                    files.get(..8).unwrap_or(files)
                )
            }
            Record::Note { warning, text } => mark(!warning, text),
            Record::Dropped { function, count } => {
                let of = function.as_ref().map(|name| format!(" of {name}"));
                let of = of.unwrap_or_default();
                let text = format!("{count} records{of} were dropped: too many at once");
                mark(false, &text)
            }
        }
    }

    /// How many requests were not shown.
    pub fn skipped(&self, count: u64, failed: u64) -> String {
        let failed = match failed {
            0 => String::new(),
            count => format!(", {RED}{count} of them 5xx{RED:#}"),
        };
        format!("{DIM}… and {count} more requests{DIM:#}{failed}\n")
    }

    fn request(&mut self, request: &RequestRecord, at: SystemTime) -> String {
        let name = self.name(request.function.as_ref());
        let status = status(request.status);
        let start = request.start.map_or("-", StartKind::word);
        let mut line = format!(
            "{}  {name}  {status}  {:>9}  {DIM}{start:<6}{DIM:#}  {} {}",
            clock(at),
            millis(request.total),
            one_line(request.method.as_str()),
            one_line(&request.path)
        );
        if let Some(problem) = request.problem {
            let _infallible = write!(line, "  {YELLOW}{problem}{YELLOW:#}");
        }
        line.push('\n');
        line
    }

    fn output(&mut self, function: Option<&Arc<str>>, line: &str, stderr: bool) -> String {
        let style = function.map_or(DIM, |function| self.style(function));
        let bar = if stderr { "┃" } else { "│" };
        format!(
            "              {style}{bar}{style:#} {}\n",
            printed_line(line)
        )
    }

    fn error(
        &mut self,
        of: (Option<&Arc<str>>, SystemTime),
        failure: &Failure,
        fatal: bool,
        before: u64,
    ) -> String {
        let end = if fatal {
            ", and the instance ended"
        } else {
            ""
        };
        // The earlier error is known; its repetition is the news.
        let again = match before {
            0 => String::new(),
            before => format!(" (the {} time)", ordinal(before + 1)),
        };
        let title = format!("{}{end}{again}", failure.summary());
        let frame = failure.frame.as_deref().filter(|_| before == 0);
        self.failure(of, &title, frame, None)
    }

    fn failure(
        &mut self,
        (function, at): (Option<&Arc<str>>, SystemTime),
        title: &str,
        frame: Option<&str>,
        hint: Option<&str>,
    ) -> String {
        let name = self.name(function);
        let mut text = format!("{}  {name}  {RED}{}{RED:#}\n", clock(at), one_line(title));
        for line in frame.unwrap_or_default().lines() {
            let _infallible = writeln!(text, "              {RED}┃{RED:#} {}", printed_line(line));
        }
        if let Some(hint) = hint {
            let _infallible =
                writeln!(text, "              {BOLD}hint:{BOLD:#} {}", one_line(hint));
        }
        text
    }

    fn name(&mut self, function: Option<&Arc<str>>) -> String {
        let Some(function) = function else {
            return format!("{:width$}", "-", width = self.width.max(1));
        };
        let style = self.style(function);
        let name = one_line(function);
        self.width = column_width([self.width, name.chars().count()]);
        format!("{style}{name:width$}{style:#}", width = self.width)
    }

    fn style(&mut self, function: &Arc<str>) -> Style {
        let next = COLOURS[self.colours.len() % COLOURS.len()];
        let colour = *self.colours.entry(Arc::clone(function)).or_insert(next);
        Style::new().fg_color(Some(anstyle::Color::Ansi(colour)))
    }
}

/// Returns the width of a column of names. A longer name stands out of its column: the formatter
/// panics at widths that a text from outside can have.
pub fn column_width(lengths: impl IntoIterator<Item = usize>) -> usize {
    let longest = lengths.into_iter().max().unwrap_or_default();
    longest.min(fnlocal_project::MAX_FUNCTION_NAME)
}

fn status(status: u16) -> String {
    match status {
        0 => format!("{YELLOW}---{YELLOW:#}"),
        status @ 500.. => format!("{RED}{status}{RED:#}"),
        status @ 400.. => format!("{YELLOW}{status}{YELLOW:#}"),
        status => format!("{GREEN}{status}{GREEN:#}"),
    }
}

/// `2nd`, `3rd`, `11th`.
fn ordinal(number: u64) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn mark(fine: bool, text: &str) -> String {
    if fine {
        format!("{DIM}·{DIM:#} {text}\n")
    } else {
        format!("{YELLOW}!{YELLOW:#} {text}\n")
    }
}

/// Bytes for people.
#[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A duration as people write it.
pub fn millis(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 10_000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// How long ago a time was, as people say it.
pub fn ago(at: Timestamp) -> String {
    let seconds = Timestamp::now().duration_since(at).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

fn clock(at: SystemTime) -> String {
    match Timestamp::try_from(at) {
        Ok(at) => time(at),
        Err(_) => format!("{DIM}--:--:--.---{DIM:#}"),
    }
}

fn time(at: Timestamp) -> String {
    let time = at.to_zoned_datetime(jiff::tz::TimeZone::system());
    format!("{DIM}{}{DIM:#}", time.strftime("%H:%M:%S%.3f"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_name_is_written_in_full_and_does_not_widen_later_lines() {
        let long: Arc<str> = "N".repeat(70_000).into();
        let failure = |function: &Arc<str>| {
            TimedRecord::now(Record::ImportFailed {
                function: Arc::clone(function),
                failure: Failure::plain("no", None),
            })
        };
        let mut lines = RecordFormatter::default();
        assert!(lines.write(&failure(&long)).contains(&*long));
        assert!(lines.write(&failure(&"short".into())).len() < 200);
    }
}
