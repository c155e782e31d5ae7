//! A thread that writes the diagnosis, so that a slow terminal or disk holds up no request.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tracing_subscriber::fmt::MakeWriter;

use super::file::RotatingFile;
use crate::terminal::{self, safe};

/// The maximum number of lines that wait; more are counted and left out.
const MAX_WAITING_LINES: usize = 8192;
/// The maximum length of a line, in bytes.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Where the diagnosis goes.
pub enum DiagnosisOutput {
    Stderr,
    File(RotatingFile),
}

/// Takes lines from any thread.
#[derive(Clone)]
pub struct DiagnosisSink {
    waiting: SyncSender<Option<String>>,
    left_out: Arc<AtomicU64>,
}

/// The thread. Dropped, it writes what waits and ends.
pub struct DiagnosisGuard {
    waiting: SyncSender<Option<String>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread.
pub fn start(output: DiagnosisOutput, json: bool) -> io::Result<(DiagnosisSink, DiagnosisGuard)> {
    let (waiting, lines) = sync_channel(MAX_WAITING_LINES);
    let left_out = Arc::new(AtomicU64::new(0));
    let mut writer = SinkThread {
        output,
        json,
        left_out: Arc::clone(&left_out),
        failing: false,
    };
    let thread = std::thread::Builder::new().name("diagnosis".into());
    let thread = Some(thread.spawn(move || writer.run(&lines))?);
    let sink = DiagnosisSink {
        waiting: waiting.clone(),
        left_out,
    };
    Ok((sink, DiagnosisGuard { waiting, thread }))
}

impl Drop for DiagnosisGuard {
    fn drop(&mut self) {
        // Events may still come from threads that outlive the command: they are left out.
        let _gone = self.waiting.send(None);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl<'a> MakeWriter<'a> for DiagnosisSink {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &DiagnosisSink {
    /// Takes a whole event: the formatter writes one at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut line = String::from_utf8_lossy(bytes).trim_end().to_owned();
        if line.len() > MAX_LINE_BYTES {
            line.truncate(line.floor_char_boundary(MAX_LINE_BYTES));
        }
        if let Err(TrySendError::Full(_)) = self.waiting.try_send(Some(line)) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct SinkThread {
    output: DiagnosisOutput,
    json: bool,
    left_out: Arc<AtomicU64>,
    failing: bool,
}

impl SinkThread {
    fn run(&mut self, lines: &Receiver<Option<String>>) {
        while let Ok(Some(line)) = lines.recv() {
            self.write(&line);
            let count = self.left_out.swap(0, Ordering::Relaxed);
            if count > 0 {
                self.write(&left_out(count, self.json));
            }
        }
    }

    /// Writes a line safe to print: somebody may look at the file on a terminal.
    fn write(&mut self, line: &str) {
        let safe = if self.json {
            safe::json(line)
        } else {
            safe::one_line(line)
        };
        let line = format!("{safe}\n");
        match &mut self.output {
            DiagnosisOutput::Stderr if self.json => terminal::write_err_json(&line),
            DiagnosisOutput::Stderr => terminal::write_err(&line),
            DiagnosisOutput::File(file) => match file.write(line.as_bytes()) {
                Ok(()) => self.failing = false,
                Err(error) if !std::mem::replace(&mut self.failing, true) => {
                    terminal::eprintln!("the diagnosis cannot be written: {error}");
                }
                Err(_) => {}
            },
        }
    }
}

fn left_out(count: u64, json: bool) -> String {
    if json {
        serde_json::json!({ "left_out": count }).to_string()
    } else {
        format!("{count} lines are left out: they came faster than they could be written")
    }
}
