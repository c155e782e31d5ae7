//! What a build is doing, on stderr: a line that moves on a terminal, plain lines elsewhere.

use std::time::Duration;

use fnlocal_emulator::build::News;
use indicatif::{ProgressBar, ProgressStyle};

use crate::lines::bytes;

/// Between two frames of the line that moves.
const FRAME: Duration = Duration::from_millis(100);

/// Shows news of a build.
pub struct Progress {
    line: ProgressBar,
}

impl Progress {
    /// Shows nothing yet.
    pub fn new() -> Self {
        // Drawn on stderr, and only if that is a terminal.
        let line = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        line.set_style(style.expect("the template is right"));
        line.enable_steady_tick(FRAME);
        Self { line }
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
            News::Began { package, part } => self.line.set_message(format!("{package}: {part}")),
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
        self.line.suspend(|| anstream::eprintln!("{text}"));
    }
}
