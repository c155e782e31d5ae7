//! A job: one asynchronous invocation, from its acceptance to its end.

use std::fmt;
use std::fs::File;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use fnlocal_core::trigger::SourceKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A job's number: microseconds since 1970 at its acceptance, or one more than the last one's.
/// Shown as 16 hexadecimal digits, as requests are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for JobId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = u64::from_str_radix(text, 16).ok();
        id.filter(|_| text.len() == 16)
            .map(Self)
            .ok_or("a job's id is 16 hexadecimal digits")
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The origin of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A request that did not wait.
    Async,
    /// A schedule.
    Schedule,
    /// An event source.
    #[serde(untagged)]
    Source(SourceKind),
}

impl Trigger {
    /// A word for logs and headers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Schedule => "schedule",
            Self::Source(kind) => kind.word(),
        }
    }
}

/// A job that is to be accepted.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The function's name.
    pub function: String,
    /// The origin.
    pub trigger: Trigger,
    /// Path and query of the request it becomes, the function's name included.
    pub path: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body; empty if that is a file of its own.
    pub body: Bytes,
    /// Jobs of a function with one key run one after the other, in the order of their acceptance.
    pub order: Option<String>,
    /// A second job of the function with this key is the first one.
    pub key: Option<String>,
    /// How long the key is remembered, in milliseconds.
    pub keep_key_ms: u64,
    /// Time after its acceptance at which it is given up if its function is gone by then, in
    /// milliseconds. While the function is there, its configuration of the day counts.
    pub max_age_ms: u64,
    /// Why it is dead from the start: a message that cannot be run is kept, not lost.
    pub dead: Option<String>,
}

/// Everything about a job except its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMeta {
    /// Its number.
    pub id: JobId,
    /// The function's name.
    pub function: String,
    /// The origin.
    pub trigger: Trigger,
    /// Path and query of the request it becomes.
    pub path: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Bytes of its body.
    pub size: u64,
    /// Its order key.
    pub order: Option<String>,
    /// Its idempotency key.
    pub key: Option<String>,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_ms: u64,
    /// When it may run next, in milliseconds since 1970.
    pub due_ms: u64,
    /// Runs that failed.
    pub attempts: u32,
    /// The error of the last of them.
    pub error: Option<String>,
    /// When it was given up, in milliseconds since 1970.
    pub died_ms: Option<u64>,
    /// As in [`NewJob`]; none in files of older versions.
    #[serde(default)]
    pub max_age_ms: Option<u64>,
}

/// A job, whole.
#[derive(Clone, Debug)]
pub struct Job {
    /// All but its body.
    pub head: JobMeta,
    /// Its body; empty if that is a file.
    pub body: Bytes,
    /// The file with its body, if it is too large to be in memory.
    pub file: Option<Arc<File>>,
}

/// Bytes a job takes besides its texts and its body: its entries in tables and indexes.
const ENTRY_BYTES: usize = 512;

impl JobMeta {
    /// Returns about how many bytes the job takes on disk, its body included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let texts = texts_bytes(&self.path, &self.headers, [&self.order, &self.key]);
        self.size
            .saturating_add((texts + self.function.len()) as u64)
    }
}

impl NewJob {
    /// Returns about how many bytes the job will take on disk, except for a body in a file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let texts = texts_bytes(&self.path, &self.headers, [&self.order, &self.key]);
        (texts + self.function.len() + self.body.len()) as u64
    }
}

fn texts_bytes(path: &str, headers: &[(String, String)], keys: [&Option<String>; 2]) -> usize {
    let headers = headers.iter().map(|(name, value)| name.len() + value.len());
    let keys = keys.into_iter().flatten().map(String::len);
    ENTRY_BYTES + path.len() + headers.sum::<usize>() + keys.sum::<usize>()
}

/// The result of an acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The job is new, and on disk.
    New(Box<JobMeta>),
    /// Its key was there already: this is the job that has it.
    Known(JobId),
}

impl Accepted {
    /// The job's number.
    #[must_use]
    pub fn id(&self) -> JobId {
        match self {
            Self::New(head) => head.id,
            Self::Known(id) => *id,
        }
    }
}
