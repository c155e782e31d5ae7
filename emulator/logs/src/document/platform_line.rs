//! The platform's own lines in a log.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{dropped, millis, stamp};
use crate::Record;

/// A line of the platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlatformLine {
    pub time: Timestamp,
    /// The kind: `reloaded`, `error`, `import_failed`, `died`, `start_failed`, `engine`, `note`,
    /// `warning` or `dropped`.
    pub event: String,
    /// For people.
    pub text: String,
    /// The function it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub function: Option<Arc<str>>,
    /// The instance it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance: Option<String>,
    /// The instance's node.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub node: Option<Arc<str>>,
    /// The request it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<String>,
    /// The hash of the code it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// The lines of code around, or a stack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// How many, of `dropped`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u64>,
}

impl PlatformLine {
    /// A line that came from somewhere else.
    #[must_use]
    pub fn plain(time: Timestamp, text: &str) -> Self {
        Self {
            time,
            ..Self::new("note", text)
        }
    }

    fn new(event: &str, text: impl Into<String>) -> Self {
        Self {
            time: stamp(SystemTime::now()),
            event: event.to_owned(),
            text: text.into(),
            function: None,
            instance: None,
            node: None,
            request: None,
            code: None,
            detail: None,
            count: None,
        }
    }

    /// Returns the platform's line for a record; `None` for records that are kept otherwise.
    pub(crate) fn from_record(record: &Record) -> Option<Self> {
        Some(match record {
            Record::Request(_) | Record::Done { .. } | Record::Line { .. } => return None,
            Record::Error {
                function,
                instance,
                node,
                request,
                failure,
                code,
                ..
            } => Self {
                function: function.clone(),
                instance: Some(instance.to_string()),
                node: Some(Arc::clone(node)),
                request: request.clone(),
                code: Some(code.clone()),
                detail: failure.stack.clone().filter(|stack| !stack.is_empty()),
                ..Self::new("error", failure.summary())
            },
            Record::ImportFailed { function, failure } => Self {
                function: Some(Arc::clone(function)),
                detail: failure.frame.clone(),
                ..Self::new("import_failed", failure.summary())
            },
            Record::Died {
                function,
                instance,
                node,
                reason,
                code,
                last_line,
            } => Self {
                function: function.clone(),
                instance: Some(instance.to_string()),
                node: Some(Arc::clone(node)),
                code: Some(code.clone()),
                detail: last_line.clone(),
                ..Self::new("died", format!("its instance ended: {reason}"))
            },
            Record::StartFailed {
                package,
                error,
                hint,
            } => Self {
                detail: hint.clone(),
                ..Self::new("start_failed", format!("{package}: {error}"))
            },
            Record::Engine { message, .. } => Self::new("engine", message),
            Record::Switched {
                function,
                files,
                after,
            } => {
                let after = after.map(|after| format!(" in {} ms", millis(after)));
                Self {
                    function: Some(Arc::clone(function)),
                    code: Some(files.clone()),
                    ..Self::new("reloaded", format!("reloaded{}", after.unwrap_or_default()))
                }
            }
            Record::Note { warning, text } => {
                Self::new(if *warning { "warning" } else { "note" }, text)
            }
            Record::Dropped { function, count } => Self {
                function: function.clone(),
                count: Some(*count),
                ..Self::new("dropped", dropped(*count))
            },
        })
    }
}
