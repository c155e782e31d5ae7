//! One thing that happened, compact enough for the gateway's thread to hand on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fnlocal_core::{InstanceId, StartKind};
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::driver::Failure;
use crate::gateway::{Cold, Timing};
use crate::trace::Trace;

/// The beginning of the line on an instance's real stderr that reports what ends the process.
pub(crate) const CRASH_PREFIX: &str = "fnlocal: crash ";
/// The beginnings of the line that reports that code ended the process: a request's, and other code.
pub(crate) const EXIT_PREFIXES: [&str; 2] = ["fnlocal: function ", "fnlocal: user code called "];

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Record {
    /// A request was answered. Shared, since it waits for what its wrapper measured while others
    /// look at it.
    Request(Arc<RequestRecord>),
    /// What an instance's wrapper measured of a request that ended.
    Done {
        /// Which request.
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
        /// When; none where only its coming here is known.
        at: Option<SystemTime>,
        /// Which function; none while it is a spare.
        function: Option<Arc<str>>,
        /// Which instance.
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
        /// Which function.
        function: Option<Arc<str>>,
        /// Which instance.
        instance: InstanceId,
        /// Of which node.
        node: Arc<str>,
        /// During which request.
        request: Option<String>,
        /// What was thrown.
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
        /// Of which node.
        node: Arc<str>,
        /// Why.
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
        /// Of which function; none where they were of all.
        function: Option<Arc<str>>,
        /// How many.
        count: u64,
    },
}

/// How an error came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A handler threw, or its promise was rejected.
    #[default]
    Handler,
    /// Thrown where nobody catches.
    Uncaught,
    /// A promise was rejected and nobody handles it.
    Rejection,
    /// No answer in time.
    Timeout,
    /// More memory than there may be.
    OutOfMemory,
    /// The process ended.
    Exit,
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
    /// What it waited for; none if no instance served it.
    pub start: Option<StartKind>,
    /// Who served it, or was to.
    pub served: Option<Served>,
    /// Its place in a trace, where an instance was asked.
    pub trace: Option<Trace>,
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

/// Who served a request, and where its time went.
#[derive(Clone, Debug)]
pub struct Served {
    /// Which instance.
    pub instance: InstanceId,
    /// The hash of its code's files.
    pub code: Option<HeaderValue>,
    /// What a cold start was for; none for others.
    pub cold: Option<Cold>,
    /// Where the time to the answer's head went.
    pub timing: Timing,
}

/// What a wrapper reports on its events channel.
#[derive(Debug)]
pub enum Report<'a> {
    /// A line of output.
    Log {
        /// During which request.
        request: Option<&'a str>,
        /// When, in milliseconds since 1970.
        at: Option<u64>,
        /// On stderr.
        stderr: bool,
        /// Without its line feed.
        line: String,
    },
    /// An invocation ended.
    Done {
        /// Which.
        request: &'a str,
        /// Milliseconds from the handler's call to its end.
        ms: f64,
        /// Milliseconds on a processor.
        cpu_ms: f64,
        /// The most memory the process has had, in bytes.
        memory: Option<u64>,
    },
    /// Something was thrown.
    Error {
        /// During which request.
        request: Option<&'a str>,
        /// The instance ends by it.
        fatal: bool,
        /// How it came out.
        cause: Cause,
        /// The crash's number within its instance; `None` if the process does not end by it.
        nr: Option<u32>,
        /// What.
        error: Failure,
    },
    /// Reports the wrapper had no room for.
    Dropped {
        /// How many.
        count: u64,
    },
}

/// All that may stand in a report. An enum by its `t` would be read into a tree first, which costs
/// a multiple: one comes with every request.
#[derive(Deserialize)]
struct Told<'a> {
    t: &'a str,
    request: Option<&'a str>,
    at: Option<u64>,
    stream: Option<&'a str>,
    line: Option<String>,
    ms: Option<f64>,
    cpu_ms: Option<f64>,
    memory: Option<u64>,
    #[serde(default)]
    fatal: bool,
    #[serde(default)]
    cause: Cause,
    error: Option<Failure>,
    count: Option<u64>,
    nr: Option<u32>,
}

impl<'a> Report<'a> {
    /// Reads one; none where it is none that is known.
    #[must_use]
    pub fn read(json: &'a [u8]) -> Option<Self> {
        let told: Told<'a> = serde_json::from_slice(json).ok()?;
        Some(match told.t {
            "log" => Self::Log {
                request: told.request,
                at: told.at,
                stderr: told.stream? == "stderr",
                line: told.line?,
            },
            "done" => Self::Done {
                request: told.request?,
                ms: told.ms?,
                cpu_ms: told.cpu_ms?,
                memory: told.memory,
            },
            "error" => Self::Error {
                request: told.request,
                fatal: told.fatal,
                cause: told.cause,
                nr: told.nr,
                error: told.error?,
            },
            "dropped" => Self::Dropped { count: told.count? },
            _ => return None,
        })
    }
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

impl Cause {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Handler,
        Self::Uncaught,
        Self::Rejection,
        Self::Timeout,
        Self::OutOfMemory,
        Self::Exit,
    ];

    /// Its word for machines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Uncaught => "uncaught",
            Self::Rejection => "rejection",
            Self::Timeout => "timeout",
            Self::OutOfMemory => "out_of_memory",
            Self::Exit => "exit",
        }
    }
}
