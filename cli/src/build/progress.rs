//! What a build is doing, on stderr: a line that moves on a terminal, plain lines elsewhere.

use fnlocal_image::build::News;
use indicatif::ProgressBar;

use crate::lines::bytes;
use crate::terminal::{self, one_line};

/// Shows news of a build.
pub struct Progress {
    line: ProgressBar,
}

impl Progress {
    /// Shows nothing yet.
    pub fn new() -> Self {
        Self {
            line: terminal::spinner("{spinner} {msg} ({elapsed})"),
        }
    }

    /// Shows one piece of news.
    pub fn tell(&self, news: &News) {
        let yellow = anstyle::AnsiColor::Yellow.on_default();
        match news {
            News::Note(text) => self.print(&format!("  {text}")),
            News::Warning(warning) => {
                self.print(&format!("{yellow}warning:{yellow:#} {}", warning.text));
                if let Some(hint) = &warning.hint {
                    self.print(&format!("  hint: {hint}"));
                }
            }
            News::Began { package, part } => {
                let text = format!("{package}: {part}");
                self.line.set_message(one_line(&text).into_owned());
            }
            News::Done { cached: true, .. } => {}
            News::Done {
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
