//! What happened, as records for people and machines.
//!
//! The gateway's thread only pushes onto a list; a task hands whole lists to whoever prints or
//! keeps them, so a slow terminal never slows a request. Beyond [`BOUND`] records are counted
//! instead of kept, and the count is said.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, SystemTime};

use fnlocal_core::{InstanceId, StartKind};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::driver::Failure;

/// Records that may wait for the printer: two seconds' worth at 10,000 a second.
const BOUND: usize = 20_000;
/// How long records are gathered before they are handed on.
const GATHER: Duration = Duration::from_millis(10);

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Record {
    /// A request was answered.
    Request(RequestRecord),
    /// A function wrote a line.
    Line {
        /// Which function; none while it is a spare.
        function: Option<Arc<str>>,
        /// During which request.
        request: Option<String>,
        /// On stderr.
        stderr: bool,
        /// Without its line feed.
        line: String,
    },
    /// Code threw where nobody caught it, or a handler threw.
    Error {
        /// Which function.
        function: Option<Arc<str>>,
        /// During which request.
        request: Option<String>,
        /// What was thrown.
        failure: Failure,
        /// The instance ended by it.
        fatal: bool,
    },
    /// Code could not be imported.
    ImportFailed {
        /// Which function or file.
        function: Arc<str>,
        /// Why.
        failure: Failure,
    },
    /// An instance ended by itself.
    Died {
        /// Its function.
        function: Option<Arc<str>>,
        /// Its number.
        instance: InstanceId,
        /// Why.
        reason: String,
    },
    /// An instance could not be started.
    StartFailed {
        /// Of which package.
        package: String,
        /// Why.
        error: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The container engine went away or came back.
    Engine {
        /// It answers.
        up: bool,
        /// For people.
        message: String,
    },
    /// A function's requests now go to new code.
    Switched {
        /// Which function.
        function: Arc<str>,
        /// The hash of its files.
        files: String,
        /// Time since the save was seen.
        after: Option<Duration>,
    },
    /// Something worth a line.
    Note {
        /// Something is wrong.
        warning: bool,
        /// For people.
        text: String,
    },
    /// Records that had no room.
    Dropped {
        /// How many.
        count: u64,
    },
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// When it came.
    pub at: SystemTime,
    /// Its name.
    pub id: String,
    /// The function it was for, if there is one.
    pub function: Option<Arc<str>>,
    /// Its method.
    pub method: http::Method,
    /// Its path and query.
    pub path: String,
    /// The answer.
    pub status: u16,
    /// What it waited for; none if no instance served it.
    pub start: Option<StartKind>,
    /// From its arrival to the head of the answer.
    pub first_byte: Duration,
    /// From its arrival to the end of the answer.
    pub total: Duration,
    /// Why it was cut short or refused.
    pub problem: Option<&'static str>,
}

/// What a wrapper reports on its events channel.
#[derive(Debug, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub enum Report {
    /// A line of output.
    Log {
        /// During which request.
        request: Option<String>,
        /// `stdout` or `stderr`.
        stream: String,
        /// Without its line feed.
        line: String,
    },
    /// An invocation ended.
    Done {},
    /// Something was thrown.
    Error {
        /// During which request.
        request: Option<String>,
        /// The instance ends by it.
        #[serde(default)]
        fatal: bool,
        /// What.
        error: Failure,
    },
}

impl Record {
    /// A line a function wrote.
    #[must_use]
    pub fn line(
        function: Option<Arc<str>>,
        request: Option<String>,
        stderr: bool,
        line: String,
    ) -> Self {
        Self::Line {
            function,
            request,
            stderr,
            line,
        }
    }

    /// A wrapper's report as a record; none for what nobody shows.
    #[must_use]
    pub fn from_report(report: Report, function: Option<Arc<str>>) -> Option<Self> {
        match report {
            Report::Log {
                request,
                stream,
                line,
            } => Some(Self::line(function, request, stream == "stderr", line)),
            Report::Error {
                request,
                fatal,
                error,
            } => Some(Self::Error {
                function,
                request,
                failure: error,
                fatal,
            }),
            Report::Done {} => None,
        }
    }
}

/// Where records are put. Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    inner: Rc<Inner>,
}

struct Inner {
    waiting: RefCell<Vec<Record>>,
    dropped: Cell<u64>,
    some: Notify,
    sink: SyncSender<Vec<Record>>,
}

impl Logs {
    /// Records go to `sink` in lists.
    #[must_use]
    pub fn new(sink: SyncSender<Vec<Record>>) -> Self {
        Self {
            inner: Rc::new(Inner {
                waiting: RefCell::default(),
                dropped: Cell::new(0),
                some: Notify::new(),
                sink,
            }),
        }
    }

    /// Adds a record.
    pub fn send(&self, record: Record) {
        let mut waiting = self.inner.waiting.borrow_mut();
        if waiting.len() >= BOUND {
            self.inner.dropped.set(self.inner.dropped.get() + 1);
            return;
        }
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

    /// Hands on what is there. When the sink is full the records stay for the next time.
    pub fn flush(&self) {
        let mut records = self.inner.waiting.take();
        if records.is_empty() {
            return;
        }
        let dropped = self.inner.dropped.take();
        if dropped > 0 {
            records.push(Record::Dropped { count: dropped });
        }
        match self.inner.sink.try_send(records) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(back)) => {
                self.inner.waiting.replace(back);
                self.inner.some.notify_one();
            }
        }
    }
}
