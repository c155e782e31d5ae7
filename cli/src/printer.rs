//! A thread that prints, so that a slow terminal holds nothing else up.

mod order;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use fnlocal_logs::document::LogDocument;
use fnlocal_logs::{Documents, Record};

use crate::json;
use crate::lines::RecordFormatter;
use crate::terminal;
use order::RecordOrder;
pub use order::TimedRecord;

/// Lists that may wait; each is what the gateway gathered in some milliseconds.
const LISTS: usize = 2;
/// How long the printer waits for records before it looks at the time again.
const IDLE: Duration = Duration::from_secs(1);
/// Request lines a second on a terminal. More cannot be read, so they are counted instead.
const LINES_A_SECOND: u64 = 200;

/// How records are printed.
#[derive(Clone, Copy, Debug)]
pub struct PrintStyle {
    /// As JSON on stdout, all of them.
    pub json: bool,
    /// If as JSON, then as documents of a log, which `fnlocal logs` reads.
    pub documents: bool,
    /// Without the lines of requests that went well.
    pub quiet: bool,
}

/// Starts the printer. The printer ends when every sender is gone.
pub fn start(style: PrintStyle) -> std::io::Result<(SyncSender<Vec<Record>>, JoinHandle<()>)> {
    let (sender, lists) = sync_channel(LISTS);
    let printer = RecordPrinter {
        style,
        lines: RecordFormatter::default(),
        order: RecordOrder::default(),
        documents: (style.json && style.documents).then(Documents::default),
        window: Instant::now(),
        shown: 0,
        skipped: 0,
        failed: 0,
    };
    let thread = std::thread::Builder::new()
        .name("printer".into())
        .spawn(move || printer.run(&lists))?;
    Ok((sender, thread))
}

fn went_well(record: &Record) -> bool {
    matches!(record, Record::Request(request) if request.status < 500)
}

struct RecordPrinter {
    style: PrintStyle,
    lines: RecordFormatter,
    /// Of what is printed for people.
    order: RecordOrder,
    documents: Option<Documents>,
    window: Instant,
    shown: u64,
    skipped: u64,
    failed: u64,
}

impl RecordPrinter {
    fn run(mut self, lists: &Receiver<Vec<Record>>) {
        loop {
            let wait = self.order.wait(Instant::now());
            let wait = wait.map_or(IDLE, |wait| wait.min(IDLE));
            let text = match lists.recv_timeout(wait) {
                Ok(records) => {
                    #[cfg(test)]
                    crate::thread_faults::look(&records);
                    self.text(records)
                }
                Err(RecvTimeoutError::Timeout) => self.text(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.put(&text);
        }
        let mut rest: String = self
            .order
            .rest()
            .map(|one| self.lines.write(&one))
            .collect();
        rest.push_str(&self.turn_window());
        let waiting = self.documents.as_mut().map(Documents::rest);
        for kept in waiting.unwrap_or_default() {
            self.document(&kept, &mut rest);
        }
        self.put(&rest);
    }

    fn text(&mut self, records: Vec<Record>) -> String {
        let mut text = String::new();
        if self.documents.is_some() {
            self.write_documents(&records, &mut text);
            return text;
        }
        for record in records {
            if matches!(&record, Record::Done { .. }) {
                // Its request has been told.
                continue;
            }
            if self.style.json {
                if self.style.quiet && went_well(&record) {
                    continue;
                }
                text.push_str(&json::value(&record).to_string());
                text.push('\n');
            } else if self.wanted(&record) {
                self.order.add(record, Instant::now(), SystemTime::now());
            }
        }
        for one in self.order.due(Instant::now()) {
            text.push_str(&self.lines.write(&one));
        }
        if self.window.elapsed() >= Duration::from_secs(1) {
            text.push_str(&self.turn_window());
        }
        text
    }

    fn write_documents(&mut self, records: &[Record], text: &mut String) {
        let Some(documents) = &mut self.documents else {
            return;
        };
        let now = Instant::now();
        let mut made: Vec<LogDocument> = records
            .iter()
            .flat_map(|record| documents.take(record, now))
            .collect();
        made.extend(std::iter::from_fn(|| documents.overdue(now)));
        for kept in made {
            self.document(&kept, text);
        }
    }

    fn document(&self, kept: &LogDocument, text: &mut String) {
        let well = matches!(kept, LogDocument::Invocation(one) if one.status < 500);
        if !(self.style.quiet && well) {
            let json = serde_json::to_string(kept).expect("a document is plain data");
            text.push_str(&json);
            text.push('\n');
        }
    }

    fn wanted(&mut self, record: &Record) -> bool {
        let Record::Request(request) = record else {
            return true;
        };
        if self.style.quiet && went_well(record) {
            return false;
        }
        self.shown += 1;
        if self.shown <= LINES_A_SECOND {
            return true;
        }
        self.skipped += 1;
        self.failed += u64::from(request.status >= 500);
        false
    }

    fn turn_window(&mut self) -> String {
        self.window = Instant::now();
        self.shown = 0;
        let skipped = std::mem::take(&mut self.skipped);
        let failed = std::mem::take(&mut self.failed);
        if skipped == 0 {
            return String::new();
        }
        self.lines.skipped(skipped, failed)
    }

    /// A closed pipe ends the printing, not the platform.
    fn put(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.style.json {
            let _closed = terminal::write_json(text);
        } else {
            terminal::write_err(text);
        }
    }
}
