//! The progress of a build on stderr: a line that moves on a terminal, plain lines elsewhere.

use fnlocal_image::build::BuildProgress;
use indicatif::ProgressBar;

use crate::lines::bytes;
use crate::terminal::{self, one_line};

/// Shows news of a build.
pub struct BuildBar {
    line: ProgressBar,
}

impl BuildBar {
    /// Shows nothing yet.
    pub fn new() -> Self {
        Self {
            line: terminal::spinner("{spinner} {msg} ({elapsed})"),
        }
    }

    /// Shows one piece of news.
    pub fn report(&self, news: &BuildProgress) {
        let yellow = anstyle::AnsiColor::Yellow.on_default();
        match news {
            BuildProgress::Note(text) => self.print(&format!("  {text}")),
            BuildProgress::Warning(warning) => {
                self.print(&format!("{yellow}warning:{yellow:#} {}", warning.text));
                if let Some(hint) = &warning.hint {
                    self.print(&format!("  hint: {hint}"));
                }
            }
            BuildProgress::Began { package, part } => {
                let text = format!("{package}: {part}");
                self.line.set_message(one_line(&text).into_owned());
            }
            BuildProgress::Done { cached: true, .. } => {}
            BuildProgress::Done {
                package,
                part,
                size,
                cached: false,
            } => self.print(&format!("  {package}: {part} built, {}", bytes(*size))),
        }
    }

    /// Leaves no line that moves.
    pub fn clear(&self) {
        self.line.finish_and_clear();
    }

    fn print(&self, text: &str) {
        self.line.suspend(|| terminal::eprintln!("{text}"));
    }
}
