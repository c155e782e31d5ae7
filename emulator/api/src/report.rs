//! The reports of an instance.

use serde::{Deserialize, Serialize};

use crate::Failure;

/// The beginning of the line on an instance's real stderr that reports what ends the process.
pub const CRASH_PREFIX: &str = "fnlocal: crash ";
/// The beginnings of the line that reports that code ended the process: a request's, and other code.
pub const EXIT_PREFIXES: [&str; 2] = ["fnlocal: function ", "fnlocal: user code called "];

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

/// A report of a wrapper on its events channel.
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
        /// The request's id.
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
        /// The error.
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
struct ReportFields<'a> {
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
    /// Reads one report. `None` if the report is of an unknown kind.
    #[must_use]
    pub fn read(json: &'a [u8]) -> Option<Self> {
        let told: ReportFields<'a> = serde_json::from_slice(json).ok()?;
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
