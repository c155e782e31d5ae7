//! Bars and lines that move, on stderr, whose texts are made safe like all others.
#![allow(clippy::disallowed_methods, reason = "draws on the one safe terminal")]

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::safe::lines;

/// Between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// The maximum number of draws a second.
const DRAWS_A_SECOND: u8 = 20;

/// A bar that moves, on a terminal only.
#[cfg(feature = "aws")]
pub fn bar(template: &str) -> ProgressBar {
    let bar = styled(ProgressBar::with_draw_target(Some(0), target()), template);
    bar.enable_steady_tick(FRAME);
    bar
}

/// A line that moves, on a terminal only.
pub fn spinner(template: &str) -> ProgressBar {
    let bar = line(template);
    bar.enable_steady_tick(FRAME);
    bar
}

/// A line that is drawn anew when it changes, on a terminal only.
pub fn line(template: &str) -> ProgressBar {
    styled(ProgressBar::with_draw_target(None, target()), template)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.expect("the template is right"));
    bar
}

fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() {
        let terminal = Box::new(SafeTerm(Term::buffered_stderr()));
        ProgressDrawTarget::term_like_with_hz(terminal, DRAWS_A_SECOND)
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// Passes on what indicatif does with the cursor, and makes the text it writes safe.
#[derive(Debug)]
struct SafeTerm(Term);

impl TermLike for SafeTerm {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(&lines(text, None))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // How indicatif goes to the beginning of a line.
        let text = if text == "\r" {
            Cow::Borrowed(text)
        } else {
            lines(text, None)
        };
        self.0.write_str(&text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
