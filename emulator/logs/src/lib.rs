//! Events as records for people and machines.
//!
//! The gateway's thread only pushes onto a list; a task hands whole lists to the journal's thread,
//! which keeps them on disk and hands them on to whoever prints. So neither a slow disk nor a slow
//! terminal slows a request. Beyond [`BOUND`] records or [`BYTES`] they are counted
//! instead of kept, and the count is said.
//!
//! On disk is what [`document`] describes, one JSON document a line, in [`segments`] of bounded size.
//! Readers ([`cursor`], [`query`]) read the files, whether or not a writer runs.
#![warn(clippy::disallowed_macros)]

mod bounded_map;
pub mod cursor;
pub mod document;
mod documents;
pub mod errors;
mod fingerprint;
mod join;
pub mod journal;
mod printer;
pub mod query;
mod record;
mod segments;
mod spans;
mod totals;
pub mod trace;
pub mod watch;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio::sync::Notify;

pub use documents::Documents;
pub use journal::{Archive, JournalLimits};
pub use record::{Record, RequestRecord, ServedBy};
pub use totals::{JournalTotals, TotalsView};

/// Records that may wait for the journal: two seconds' worth at 10,000 a second.
const BOUND: usize = 20_000;
/// Bytes of them.
const BYTES: usize = 8 << 20;
/// How long records are gathered before they are handed on.
const GATHER: Duration = Duration::from_millis(10);

/// Where records are put. Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    inner: Rc<Inner>,
}

struct Inner {
    waiting: RefCell<Vec<Record>>,
    bytes: Cell<usize>,
    dropped: Cell<u64>,
    some: Notify,
    sink: RefCell<SyncSender<Vec<Record>>>,
    archive: RefCell<Option<Archive>>,
    spans: Cell<bool>,
}

impl Logs {
    /// Records go to `sink` in lists.
    #[must_use]
    pub fn new(sink: SyncSender<Vec<Record>>) -> Self {
        Self {
            inner: Rc::new(Inner {
                waiting: RefCell::default(),
                bytes: Cell::new(0),
                dropped: Cell::new(0),
                some: Notify::new(),
                sink: RefCell::new(sink),
                archive: RefCell::default(),
                spans: Cell::new(false),
            }),
        }
    }

    /// Keeps the records from now on, too, and sends requests as spans of `service` where the
    /// environment names a collector. Earlier records go to the printer.
    ///
    /// # Errors
    /// The folder cannot be made, or a thread not be started; records then go on being printed.
    pub fn keep(
        &self,
        folder: std::path::PathBuf,
        bounds: JournalLimits,
        service: &str,
    ) -> std::io::Result<()> {
        self.flush();
        let printer = self.inner.sink.borrow().clone();
        let (sink, archive, sends) = journal::start(folder, bounds, printer, service)?;
        self.inner.spans.set(sends);
        self.inner.sink.replace(sink);
        self.inner.archive.replace(Some(archive));
        Ok(())
    }

    /// Returns the kept records; `None` if nothing is kept.
    #[must_use]
    pub fn archive(&self) -> Option<Archive> {
        self.inner.archive.borrow().clone()
    }

    /// Returns whether spans are sent to a collector.
    #[must_use]
    pub fn sends_spans(&self) -> bool {
        self.inner.spans.get()
    }

    /// Adds a record.
    pub fn send(&self, mut record: Record) {
        record.cut();
        let mut waiting = self.inner.waiting.borrow_mut();
        let bytes = self.inner.bytes.get() + record.bytes();
        if waiting.len() >= BOUND || bytes > BYTES {
            self.inner.dropped.set(self.inner.dropped.get() + 1);
            return;
        }
        self.inner.bytes.set(bytes);
        waiting.push(record);
        if waiting.len() == 1 {
            self.inner.some.notify_one();
        }
    }

    /// Adds a line for people.
    pub fn note(&self, text: impl Into<String>) {
        self.send(Record::Note {
            warning: false,
            text: text.into(),
        });
    }

    /// Adds a line for people about something wrong.
    pub fn warn(&self, text: impl Into<String>) {
        self.send(Record::Note {
            warning: true,
            text: text.into(),
        });
    }

    /// Hands records on until dropped.
    pub async fn run(self) {
        loop {
            self.inner.some.notified().await;
            tokio::time::sleep(GATHER).await;
            self.flush();
        }
    }

    /// Hands on the last there is, and waits for room if it must.
    pub fn finish(&self) {
        self.flush();
        let rest = self.inner.waiting.take();
        if !rest.is_empty() {
            // The journal or the printer may have broken down.
            let _broken = self.inner.sink.borrow().send(rest);
        }
    }

    /// Hands on what is there. When the sink is full the records stay for the next time.
    pub fn flush(&self) {
        let mut records = self.inner.waiting.take();
        if records.is_empty() {
            return;
        }
        let bytes = self.inner.bytes.take();
        let dropped = self.inner.dropped.take();
        if dropped > 0 {
            records.push(Record::Dropped {
                function: None,
                count: dropped,
            });
        }
        match self.inner.sink.borrow().try_send(records) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(back)) => {
                self.inner.waiting.replace(back);
                self.inner.bytes.set(bytes);
                self.inner.some.notify_one();
            }
        }
    }
}
