//! Errors, grouped by where they come from.
//!
//! Two errors are the same when they have the same class, the same message but for numbers and
//! ids, and the same way through the code. Lines and columns do not count: they move with every
//! edit above.

mod exit_call;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fnlocal_core::InstanceId;
use fnlocal_files::OwnPath;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bounded_map::Recent;
use super::document::stamp;
use super::fingerprint::fingerprint;
use super::{Record, RequestRecord};
use exit_call::ExitCall;
use fnlocal_api::{Cause, Failure};

/// The file's name, beside the log's.
const FILE: &str = "errors.json";
/// Groups that are kept; the longest unseen go first.
const GROUPS: usize = 500;
/// Bytes of their texts.
const MAX_GROUP_BYTES: usize = 4 << 20;
/// Bytes of the file; one that is larger was not written by this version.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// A request's name has no more bytes; a longer one is none of ours.
const MAX_ID_BYTES: usize = 64;

/// Errors of one origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorGroup {
    /// The group's id: 12 hexadecimal digits, the same in every run.
    pub id: String,
    /// How they came out.
    pub cause: Cause,
    /// The function.
    pub function: Option<Arc<str>>,
    /// Their class, such as `TypeError`.
    pub name: String,
    /// The last one's message.
    pub message: String,
    /// The file they are thrown in.
    pub file: Option<String>,
    /// The last one's line, from 1.
    pub line: Option<u32>,
    /// The last one's column, from 1.
    pub column: Option<u32>,
    /// The lines around the last one, with a caret.
    pub frame: Option<String>,
    /// The last one's stack.
    pub stack: Option<String>,
    /// One action that helps.
    pub hint: Option<String>,
    /// How many.
    pub count: u64,
    /// The first.
    pub first_seen: Timestamp,
    /// The last.
    pub last_seen: Timestamp,
    /// The hash of the code the first came with.
    pub first_code: String,
    /// The hash of the code the last came with.
    pub last_code: String,
    /// The request that caused the last one.
    pub request: Option<ErrorRequest>,
}

/// A request that caused an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRequest {
    /// Its name.
    pub id: String,
    /// Its method; none until it has ended.
    pub method: Option<String>,
    /// Its path and query.
    pub path: Option<String>,
}

/// All groups.
#[derive(Debug, Default)]
pub struct Groups {
    by_id: BTreeMap<String, ErrorGroup>,
    /// Bytes of their texts.
    bytes: usize,
    /// Requests that caused something, by name, with the group.
    requests: Recent<String, String>,
    /// Requests that ended badly, for errors told after that.
    bad: Recent<String, ErrorRequest>,
    /// Instances that told why they end, so that their end is no news.
    explained: Recent<(Arc<str>, InstanceId), ()>,
    /// Instances that ended, and the group, for the request that will tell it was theirs.
    ended: Recent<(Arc<str>, InstanceId), String>,
}

/// An error before its group is known.
struct SeenError<'a> {
    cause: Cause,
    function: Option<&'a Arc<str>>,
    failure: Failure,
    code: &'a str,
    request: Option<String>,
}

impl Groups {
    /// Reads what was kept in a folder. A file that cannot be read counts as none.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let mut text = Vec::new();
        let read = OwnPath::new(folder)
            .join(FILE)
            .open()
            .and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut text));
        let found: Vec<ErrorGroup> = match read {
            Ok(_) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let mut groups = Self::default();
        for group in found {
            groups.put(group);
        }
        groups
    }

    /// Keeps them in a folder, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(&self.all())?;
        OwnPath::new(folder).join(FILE).write(&bytes)
    }

    /// All of them, the last seen first.
    #[must_use]
    pub fn all(&self) -> Vec<ErrorGroup> {
        let mut all: Vec<ErrorGroup> = self.by_id.values().cloned().collect();
        all.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.id.cmp(&b.id)));
        all
    }

    /// Looks at a record; how it came out if it is an error. Tells the record how often the same
    /// was seen before.
    pub fn take(&mut self, record: &mut Record, now: SystemTime) -> Option<Cause> {
        match record {
            Record::Error {
                function,
                instance,
                node,
                request,
                failure,
                cause,
                fatal,
                code,
                before,
            } => {
                if *fatal {
                    self.explained.put((Arc::clone(node), *instance), ());
                }
                let seen = SeenError {
                    cause: *cause,
                    function: function.as_ref(),
                    failure: failure.clone(),
                    code,
                    request: request.clone().filter(|id| id.len() <= MAX_ID_BYTES),
                };
                let (cause, count, _) = self.add(seen, now)?;
                *before = count;
                Some(cause)
            }
            Record::Died { .. } => self.died(record, now),
            Record::Request(request) => self.ended(request, now),
            _ => None,
        }
    }

    fn died(&mut self, record: &Record, now: SystemTime) -> Option<Cause> {
        let Record::Died {
            function,
            instance,
            node,
            reason,
            code,
            last_line,
        } = record
        else {
            return None;
        };
        let instance = (Arc::clone(node), *instance);
        // A spare that ends has harmed nobody, and its import has told why.
        if self.explained.get(&instance).is_some() || function.is_none() {
            return None;
        }
        let exit = last_line.as_deref().and_then(ExitCall::parse);
        let cause = if reason.contains("memory limit") {
            Cause::OutOfMemory
        } else {
            Cause::Exit
        };
        let mut failure = Failure::plain(format!("the instance ended: {reason}"), None);
        let mut request = None;
        if let Some(exit) = exit {
            failure.message = exit.message;
            (failure.file, failure.line, failure.column) = exit.place;
            request = exit.request;
        }
        failure.name = match cause {
            Cause::OutOfMemory => "OutOfMemory",
            _ => "Exit",
        }
        .to_owned();
        let known = request.is_some();
        let seen = SeenError {
            cause,
            function: function.as_ref(),
            failure,
            code,
            request,
        };
        let (cause, _, id) = self.add(seen, now)?;
        if !known {
            self.ended.put(instance, id);
        }
        Some(cause)
    }

    /// A request that ended may have caused something, and may itself be an error: where the event
    /// loop never turns again, the wrapper cannot tell that time is up.
    fn ended(&mut self, request: &RequestRecord, now: SystemTime) -> Option<Cause> {
        if request.status == 0 || request.status >= 500 {
            self.bad
                .put(request.id.to_string(), ErrorRequest::from_record(request));
        }
        let served = request.served.as_ref();
        let instance = served.map(|served| (Arc::clone(&request.node), served.instance));
        if request.problem == Some("instance_died")
            && let Some(id) = instance
                .as_ref()
                .and_then(|one| self.ended.get(one))
                .cloned()
            && let Some(group) = self.by_id.get_mut(&id)
        {
            group.request = Some(ErrorRequest::from_record(request));
        }
        if let Some(id) = self.requests.get(&*request.id).cloned() {
            let group = self.by_id.get_mut(&id);
            let caused = group.and_then(|group| group.request.as_mut());
            if let Some(caused) = caused.filter(|caused| *caused.id == *request.id) {
                *caused = ErrorRequest::from_record(request);
            }
            return None;
        }
        if request.problem != Some("timeout") {
            return None;
        }
        if let Some(instance) = instance {
            self.explained.put(instance, ());
        }
        let code = served.and_then(|served| served.code.as_ref()?.to_str().ok());
        let mut failure = Failure::plain("the function did not answer within its timeout", None);
        failure.name = "TimeoutError".to_owned();
        let seen = SeenError {
            cause: Cause::Timeout,
            function: request.function.as_ref(),
            failure,
            code: code.unwrap_or_default(),
            request: Some(request.id.to_string()),
        };
        let (cause, _, id) = self.add(seen, now)?;
        self.by_id.get_mut(&id)?.request = Some(ErrorRequest::from_record(request));
        Some(cause)
    }

    /// Counts an error with its group: how it came out, how many there were before, the group.
    fn add(&mut self, seen: SeenError<'_>, now: SystemTime) -> Option<(Cause, u64, String)> {
        let function = seen.function.map(|name| &**name);
        let id = fingerprint(seen.cause, function, &seen.failure);
        if let Some(request) = &seen.request {
            // The wrapper and the gateway may both see that time is up.
            if seen.cause == Cause::Timeout && self.requests.get(request).is_some() {
                return None;
            }
            self.requests.put(request.clone(), id.clone());
        }
        let now = stamp(now);
        let known = self.remove(&id);
        let before = known.as_ref().map_or(0, |group| group.count);
        let failure = seen.failure;
        let group = ErrorGroup {
            id: id.clone(),
            cause: seen.cause,
            function: seen.function.cloned(),
            name: failure.name,
            message: failure.message,
            file: failure.file,
            line: failure.line,
            column: failure.column,
            frame: failure.frame,
            stack: failure.stack.filter(|stack| !stack.is_empty()),
            hint: failure.hint,
            count: before + 1,
            first_seen: known.as_ref().map_or(now, |group| group.first_seen),
            last_seen: now,
            first_code: known.map_or_else(|| seen.code.to_owned(), |group| group.first_code),
            last_code: seen.code.to_owned(),
            request: seen.request.map(|id| self.request(id)),
        };
        self.put(group);
        Some((seen.cause, before, id))
    }

    fn request(&self, id: String) -> ErrorRequest {
        let ended = self.bad.get(&id).cloned();
        ended.unwrap_or(ErrorRequest {
            id,
            method: None,
            path: None,
        })
    }

    /// Adds a group; those unseen for longest make room.
    fn put(&mut self, group: ErrorGroup) {
        let id = group.id.clone();
        self.bytes += group.bytes();
        self.by_id.insert(id.clone(), group);
        while self.by_id.len() > GROUPS || self.bytes > MAX_GROUP_BYTES {
            let others = self.by_id.values().filter(|group| group.id != id);
            let oldest = others.min_by_key(|group| group.last_seen);
            let Some(oldest) = oldest.map(|group| group.id.clone()) else {
                break;
            };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, id: &str) -> Option<ErrorGroup> {
        let group = self.by_id.remove(id)?;
        self.bytes -= group.bytes();
        Some(group)
    }
}

impl ErrorGroup {
    /// The number of bytes of what does not change between two errors, about. A request's path is
    /// bounded by itself.
    fn bytes(&self) -> usize {
        let texts = [&self.file, &self.frame, &self.stack, &self.hint];
        let texts = texts.into_iter().flatten().map(String::len);
        self.name.len() + self.message.len() + texts.sum::<usize>() + size_of::<Self>()
    }
}

impl ErrorRequest {
    fn from_record(request: &RequestRecord) -> Self {
        Self {
            id: request.id.to_string(),
            method: Some(request.method.as_str().to_owned()),
            path: Some(request.path.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
