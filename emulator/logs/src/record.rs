//! One thing that happened, compact enough for the gateway's thread to hand on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fnlocal_core::{InstanceId, StartKind};
use http::HeaderValue;

use crate::trace::TraceContext;
use fnlocal_api::{Cause, Failure};
use fnlocal_api::{Cold, Timing};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Record {
    /// A request was answered. Shared, since it waits for what its wrapper measured while others
    /// look at it.
    Request(Arc<RequestRecord>),
    /// The measurements of an instance's wrapper for a request that ended.
    Done {
        /// The request.
        request: Arc<str>,
        /// From the handler's call until it had settled and the response was closed.
        handler: Duration,
        /// Time on a processor, of the whole process, meanwhile.
        cpu: Duration,
        /// The most memory the process has had, in bytes.
        memory: Option<u64>,
    },
    /// A function wrote a line.
    Line {
        /// The time; `None` if only its arrival here is known.
        at: Option<SystemTime>,
        /// The function; `None` while it is a spare.
        function: Option<Arc<str>>,
        /// The instance.
        instance: InstanceId,
        /// Of which node.
        node: Arc<str>,
        /// During which request.
        request: Option<Arc<str>>,
        /// On stderr.
        stderr: bool,
        /// Without its line feed.
        line: String,
    },
    /// Code threw where nobody caught it, or a handler threw.
    Error {
        /// The function.
        function: Option<Arc<str>>,
        /// The instance.
        instance: InstanceId,
        /// Of which node.
        node: Arc<str>,
        /// During which request.
        request: Option<String>,
        /// The thrown error.
        failure: Failure,
        /// How it came out.
        cause: Cause,
        /// The instance ended by it.
        fatal: bool,
        /// The hash of the code's files.
        code: String,
        /// How often the same was seen before; known once it has passed the journal.
        before: u64,
    },
    /// Code could not be imported.
    ImportFailed {
        /// The function or file.
        function: Arc<str>,
        failure: Failure,
    },
    /// An instance ended by itself.
    Died {
        /// Its function.
        function: Option<Arc<str>>,
        /// Its number.
        instance: InstanceId,
        /// Of which node.
        node: Arc<str>,
        reason: String,
        /// The hash of its code's files.
        code: String,
        /// The last it wrote to its real output.
        last_line: Option<String>,
    },
    /// An instance could not be started.
    StartFailed {
        /// Of which package.
        package: String,
        error: String,
        /// One action that helps.
        hint: Option<String>,
    },
    /// The container engine went away or came back.
    Engine {
        /// `true` if the engine answers.
        up: bool,
        /// For people.
        message: String,
    },
    /// A function's requests now go to new code.
    Switched {
        /// The function.
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
        /// The function; `None` for records of all functions.
        function: Option<Arc<str>>,
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
    pub id: Arc<str>,
    /// The function it was for, if there is one.
    pub function: Option<Arc<str>>,
    /// Its method.
    pub method: http::Method,
    /// Its path and query.
    pub path: String,
    /// The node it came to.
    pub node: Arc<str>,
    /// The answer.
    pub status: u16,
    /// The start kind; `None` if no instance served the request.
    pub start: Option<StartKind>,
    /// The serving instance, or the intended one.
    pub served: Option<ServedBy>,
    /// Its place in a trace, where an instance was asked.
    pub trace: Option<TraceContext>,
    /// From its arrival to the head of the answer.
    pub first_byte: Duration,
    /// From its arrival to the end of the answer.
    pub total: Duration,
    /// Why it was cut short or refused.
    pub problem: Option<&'static str>,
}

/// The maximum number of bytes of a path in the log.
const MAX_PATH_BYTES: usize = 2048;

impl RequestRecord {
    /// The beginning of a path with its query, as much as the log has.
    #[must_use]
    pub fn path_of(path: &str) -> String {
        beginning(path, MAX_PATH_BYTES)
    }

    /// About how many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.path.len() + self.id.len() + size_of::<Self>()
    }
}

/// The beginning of a text, with a mark where it was cut.
pub(crate) fn beginning(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes)])
}

/// The instance that served a request, and the parts of the time.
#[derive(Clone, Debug)]
pub struct ServedBy {
    /// The instance.
    pub instance: InstanceId,
    /// The hash of its code's files.
    pub code: Option<HeaderValue>,
    /// The reason of a cold start; `None` for others.
    pub cold: Option<Cold>,
    /// Where the time to the answer's head went.
    pub timing: Timing,
}

impl Record {
    /// About how many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let texts = match self {
            Self::Request(request) => request.bytes(),
            Self::Done { request, .. } => request.len(),
            Self::Line { line, request, .. } => {
                line.len() + request.as_ref().map_or(0, |id| id.len())
            }
            Self::Error {
                failure, request, ..
            } => failure.bytes() + request.as_ref().map_or(0, String::len),
            Self::ImportFailed { failure, .. } => failure.bytes(),
            Self::Died {
                reason, last_line, ..
            } => reason.len() + last_line.as_ref().map_or(0, String::len),
            Self::StartFailed { error, hint, .. } => {
                error.len() + hint.as_ref().map_or(0, String::len)
            }
            Self::Engine { message: text, .. } | Self::Note { text, .. } => text.len(),
            Self::Switched { .. } | Self::Dropped { .. } => 0,
        };
        texts + size_of::<Self>()
    }

    /// Cuts what a function says of its errors, which may be of any length.
    pub(super) fn cut(&mut self) {
        if let Self::Error { failure, .. } | Self::ImportFailed { failure, .. } = self {
            failure.cut();
        }
    }
}
