//! The documents on disk and over HTTP: one JSON document a line.
//!
//! Times are RFC 3339 in UTC, to the microsecond. An invocation's is its end, so that a log is in
//! the order of its times; lengths are milliseconds, sizes bytes.

mod platform_line;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fnlocal_core::StartKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use fnlocal_api::{MAX_LINE_BYTES, cut};

use super::RequestRecord;

pub use platform_line::PlatformLine;

/// One document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum LogDocument {
    /// A request and what it took.
    Invocation(Invocation),
    /// A line a function wrote.
    Line(FunctionLogLine),
    /// A line of the platform.
    Platform(PlatformLine),
}

/// The word of a document's `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentKind {
    /// [`LogDocument::Invocation`].
    Invocation,
    /// [`LogDocument::Line`].
    Line,
    /// [`LogDocument::Platform`].
    Platform,
}

/// A request and what it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    /// When it had ended.
    pub time: Timestamp,
    /// Its name: `x-fnlocal-request-id`.
    pub request: String,
    /// The function; none for paths no function answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub function: Option<Arc<str>>,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// The answer; 0 where the client left before one was sent.
    pub status: u16,
    /// The node it came to.
    pub node: Arc<str>,
    /// The instance that served it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance: Option<String>,
    /// The start kind; `None` if no instance answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start: Option<StartKind>,
    /// The reason of a cold start: `first` or `scale-out`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cold: Option<String>,
    /// From its arrival to the end of the answer.
    pub duration_ms: f64,
    /// From its arrival to the head of the answer.
    pub first_byte_ms: f64,
    /// The time that Lambda would bill: the import on a start, and the handler until it had
    /// settled, in whole milliseconds rounded up. `None` if no code ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub billed_ms: Option<u64>,
    /// Where the time to the answer's head went, as in `Server-Timing`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phases: Option<Phases>,
    /// The most memory its process has had so far.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory_bytes: Option<u64>,
    /// Time its process spent on a processor meanwhile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_ms: Option<f64>,
    /// The hash of the code that ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// Its trace, as in `traceparent`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace: Option<String>,
    /// Why it was cut short or refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

/// Where the time to an answer's head went, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// Waiting for an instance.
    pub queue: f64,
    /// Creating and starting it.
    pub create: f64,
    /// Until its wrapper answered.
    pub boot: f64,
    /// Until its code was imported.
    pub import: f64,
    /// In the handler, to the first byte.
    pub handler: f64,
}

/// A line a function wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionLogLine {
    /// When it was written.
    pub time: Timestamp,
    /// The function; none while the instance was a spare.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub function: Option<Arc<str>>,
    /// The instance.
    pub instance: String,
    /// Its node.
    pub node: Arc<str>,
    /// The request it was written for, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<String>,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Without its line feed.
    pub text: String,
}

/// The measurements of a wrapper for a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrapperMeasurement {
    pub handler: Duration,
    pub cpu: Duration,
    pub memory: Option<u64>,
}

impl LogDocument {
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Invocation(one) => one.time,
            Self::Line(one) => one.time,
            Self::Platform(one) => one.time,
        }
    }

    /// The function it is of.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        let function = match self {
            Self::Invocation(one) => &one.function,
            Self::Line(one) => &one.function,
            Self::Platform(one) => &one.function,
        };
        function.as_deref()
    }

    /// The request it is of.
    #[must_use]
    pub fn request(&self) -> Option<&str> {
        match self {
            Self::Invocation(one) => Some(&one.request),
            Self::Line(one) => one.request.as_deref(),
            Self::Platform(one) => one.request.as_deref(),
        }
    }

    /// Cuts its texts to a length that any reader can bear.
    pub(super) fn cut(&mut self) {
        match self {
            Self::Invocation(one) => cut(&mut one.path, MAX_LINE_BYTES),
            Self::Line(one) => cut(&mut one.text, MAX_LINE_BYTES),
            Self::Platform(one) => {
                cut(&mut one.text, MAX_LINE_BYTES);
                let detail = one.detail.iter_mut();
                detail.for_each(|detail| cut(detail, MAX_LINE_BYTES));
            }
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> DocumentKind {
        match self {
            Self::Invocation(_) => DocumentKind::Invocation,
            Self::Line(_) => DocumentKind::Line,
            Self::Platform(_) => DocumentKind::Platform,
        }
    }
}

impl Invocation {
    /// A request that ended, with what its instance measured, if it told.
    pub(super) fn new(request: &RequestRecord, measured: Option<WrapperMeasurement>) -> Self {
        let served = request.served.as_ref();
        let ran = served.filter(|_| request.start.is_some());
        let phases = ran.map(|served| Phases::from_timing(&served.timing));
        let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
        Self {
            time: stamp(request.at + request.total),
            request: request.id.to_string(),
            function: request.function.clone(),
            method: request.method.as_str().to_owned(),
            path: request.path.clone(),
            status: request.status,
            node: Arc::clone(&request.node),
            instance: served.map(|served| served.instance.to_string()),
            start: request.start,
            cold: served.and_then(|served| Some(served.cold?.word().to_owned())),
            duration_ms: millis(request.total),
            first_byte_ms: millis(request.first_byte),
            billed_ms: ran.map(|served| billed(request, &served.timing, measured)),
            phases,
            memory_bytes: measured.and_then(|measured| measured.memory),
            cpu_ms: measured.map(|measured| millis(measured.cpu)),
            code: served.and_then(|served| text(served.code.as_ref()?)),
            trace: request.trace.map(|trace| trace.id()),
            problem: request.problem.map(str::to_owned),
        }
    }
}

/// Whole milliseconds of a function's own code, rounded up.
fn billed(
    request: &RequestRecord,
    timing: &fnlocal_api::Timing,
    measured: Option<WrapperMeasurement>,
) -> u64 {
    // Without the wrapper's word, all that is not waiting.
    let waited = timing.queue + timing.create + timing.boot + timing.import;
    let outside = || request.total.saturating_sub(waited);
    let handler = measured.map_or_else(outside, |measured| measured.handler);
    let billed = (timing.import + handler).as_secs_f64() * 1000.0;
    billed.ceil() as u64
}

impl Phases {
    fn from_timing(timing: &fnlocal_api::Timing) -> Self {
        Self {
            queue: millis(timing.queue),
            create: millis(timing.create),
            boot: millis(timing.boot),
            import: millis(timing.import),
            handler: millis(timing.handler),
        }
    }
}

/// Returns the text about records that had no room.
pub(super) fn dropped(count: u64) -> String {
    format!("{count} records were dropped: too many at once")
}

/// A time as documents have it.
pub(super) fn stamp(at: SystemTime) -> Timestamp {
    let micros = at
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_micros();
    Timestamp::from_microsecond(i64::try_from(micros).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX)
}

/// Milliseconds with two digits behind the point.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}
