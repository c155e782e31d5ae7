//! The progress on AWS, on stderr: a bar on a terminal, a line for each step elsewhere.

use std::sync::Mutex;

use fnlocal_cloud::apply::ApplyProgress;
use indicatif::ProgressBar;

use super::Checkpoint;
use crate::lines::bytes;
use crate::terminal::{self, one_line};

/// Percent between two lines about nodes that are replaced.
const LINES: u32 = 10;

/// Shows what is being done, and notes how far it has come.
pub struct CloudProgress<'a> {
    journey: &'a Checkpoint,
    /// The command that goes on when this one is interrupted.
    next: String,
    bar: ProgressBar,
    plain: bool,
    now: Mutex<CurrentStep>,
}

/// The step that is running.
#[derive(Default)]
struct CurrentStep {
    /// Bytes that are sent in all.
    sending: u64,
    /// The last percentage that was shown.
    percent: Option<u32>,
}

impl<'a> CloudProgress<'a> {
    /// Shows nothing yet. `next` is the command that goes on when this one is interrupted.
    pub fn new(journey: &'a Checkpoint, next: String) -> Self {
        Self {
            journey,
            next,
            bar: terminal::bar("{bar:24} {pos}/{len} {wide_msg} {elapsed}"),
            plain: !terminal::is_err(),
            now: Mutex::default(),
        }
    }

    /// Shows one piece of news.
    pub fn report(&self, news: &ApplyProgress) {
        let mut now = self.now.lock().expect("nobody panics with it");
        match news {
            ApplyProgress::Step { number, of, what } => {
                let at = format!("step {number} of {of} ({what})");
                self.journey.reach(at, &self.next);
                self.bar.set_length(*of as u64);
                self.bar.set_position(*number as u64 - 1);
                self.bar.set_message(one_line(what).into_owned());
                self.line(&format!("{number:>4}/{of} {what}"));
            }
            ApplyProgress::Sending { blobs, bytes: all } => {
                now.sending = *all;
                self.line(&format!("       sending {blobs} blobs, {}", bytes(*all)));
            }
            ApplyProgress::Sent { bytes: sent } => {
                let all = bytes(now.sending);
                self.bar
                    .set_message(format!("sending: {} of {all}", bytes(*sent)));
            }
            ApplyProgress::Replacing { percent } => {
                self.bar
                    .set_message(format!("replacing nodes: {percent} %"));
                if now.percent.is_none_or(|shown| *percent >= shown + LINES) {
                    now.percent = Some(*percent);
                    self.line(&format!("       replacing nodes: {percent} %"));
                }
            }
        }
    }

    fn line(&self, text: &str) {
        if self.plain {
            terminal::eprintln!("{text}");
        }
    }
}

impl Drop for CloudProgress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
