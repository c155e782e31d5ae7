//! One running wrapper, as the driver sees it.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock, SystemTime};

use fnlocal_core::{CodeHash, InstanceId, PackageId};
use http::HeaderValue;
use tokio::sync::Notify;

use super::exchange::Connection;
use super::served::ServedRequests;
use fnlocal_api::Failure;

use super::Function;
use fnlocal_api::EXIT_PREFIXES;
use fnlocal_runtime::End;
use fnlocal_runtime::InstanceListener;
use fnlocal_runtime::Started;

/// Lines kept to explain a death with.
const LAST_LINES: usize = 20;
/// Crashes whose numbers are kept, to tell the second report of one from another.
const LAST_CRASHES: usize = 16;

/// One running wrapper: its address, its kept connections and what it runs.
pub struct Instance {
    /// Its number.
    pub id: InstanceId,
    /// Its package.
    pub package: PackageId,
    /// Its number as a response header.
    pub id_header: HeaderValue,
    started: OnceCell<Started>,
    /// Where its inspector comes in, when it is debugged.
    inspector: OnceCell<InstanceListener>,
    idle: RefCell<Vec<Connection>>,
    bound: RefCell<Option<BoundFunction>>,
    import: Cell<Duration>,
    end: RefCell<Option<End>>,
    ended: Notify,
    last_lines: RefCell<VecDeque<String>>,
    exit_line: RefCell<Option<String>>,
    closed: Cell<bool>,
    /// When the driver began to start it.
    since: SystemTime,
    served: RefCell<ServedRequests>,
    /// The reason of its end, as its wrapper reported.
    crash: RefCell<Option<Failure>>,
    /// The code it imports, or runs.
    code: Cell<Option<CodeHash>>,
    /// Numbers of the crashes that were reported.
    crashes: RefCell<VecDeque<u32>>,
}

/// The function of an instance.
#[derive(Clone)]
pub struct BoundFunction {
    /// Its function.
    pub function: Rc<Function>,
    /// Its code.
    pub code: CodeHash,
    /// Its files' hash as a response header.
    pub code_header: HeaderValue,
    /// When its function was imported.
    pub since: Clock,
}

impl Instance {
    /// An instance that is being started.
    #[must_use]
    pub fn new(id: InstanceId, package: PackageId) -> Self {
        Self {
            id,
            package,
            id_header: header(&id.to_string()),
            started: OnceCell::new(),
            inspector: OnceCell::new(),
            idle: RefCell::default(),
            bound: RefCell::default(),
            import: Cell::default(),
            end: RefCell::default(),
            ended: Notify::new(),
            last_lines: RefCell::default(),
            exit_line: RefCell::default(),
            closed: Cell::new(false),
            since: SystemTime::now(),
            served: RefCell::default(),
            crash: RefCell::default(),
            code: Cell::new(None),
            crashes: RefCell::default(),
        }
    }

    /// When the driver began to start it.
    #[must_use]
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// The error that ended it, if its wrapper reported one.
    #[must_use]
    pub fn crash(&self) -> Option<Failure> {
        self.crash.borrow().clone()
    }

    /// The line by which its wrapper reported that code ended the process, if code did.
    #[must_use]
    pub fn exit_line(&self) -> Option<String> {
        let line = self.exit_line.borrow().clone()?;
        // Code may write such a line itself, and name another function's request in it.
        let named = line.split_once(" (request ");
        match named.and_then(|(_, rest)| rest.split_once(") called ")) {
            Some((id, call)) if !self.serves(id) => Some(format!("{}{call}", EXIT_PREFIXES[1])),
            _ => Some(line),
        }
    }

    /// The code it imports, or runs; `None` for a spare that was given none.
    pub(super) fn code(&self) -> Option<CodeHash> {
        self.code.get()
    }

    pub(super) fn set_code(&self, code: CodeHash) {
        self.code.set(Some(code));
    }

    pub(super) fn begin_request(&self, name: &Arc<str>) {
        self.served.borrow_mut().begin(name);
    }

    pub(super) fn end_request(&self, name: &Arc<str>) {
        self.served.borrow_mut().end(name);
    }

    /// Returns whether the instance serves a request, or served it recently.
    pub(super) fn serves(&self, request: &str) -> bool {
        self.served.borrow().knows(request)
    }

    pub(super) fn request_done(&self, request: &str) -> Option<Duration> {
        self.served.borrow_mut().done(request)
    }

    pub(super) fn set_crash(&self, failure: &Failure) {
        self.crash.replace(Some(failure.clone()));
    }

    /// Returns whether a crash of this number is new.
    pub(super) fn is_news(&self, nr: u32) -> bool {
        let mut crashes = self.crashes.borrow_mut();
        if crashes.contains(&nr) {
            return false;
        }
        if crashes.len() == LAST_CRASHES {
            crashes.pop_front();
        }
        crashes.push_back(nr);
        true
    }

    /// How it was started; none while it is being started.
    #[must_use]
    pub fn started(&self) -> Option<&Started> {
        self.started.get()
    }

    /// The most memory it can have, in bytes.
    pub(super) fn max_memory_bytes(&self) -> u64 {
        let started = self.started();
        started.map_or(u64::MAX, |started| started.max_memory_bytes)
    }

    /// Time its function's import took.
    #[must_use]
    pub fn import(&self) -> Duration {
        self.import.get()
    }

    /// Returns the function; `None` for a spare.
    #[must_use]
    pub fn bound(&self) -> Option<BoundFunction> {
        self.bound.borrow().clone()
    }

    /// The hash of its code, as a header.
    #[must_use]
    pub fn code_header(&self) -> Option<HeaderValue> {
        Some(self.bound.borrow().as_ref()?.code_header.clone())
    }

    /// The hash of its code; empty for a spare.
    #[must_use]
    pub fn code_text(&self) -> String {
        let code = self.code_header();
        let text = code.as_ref().and_then(|code| code.to_str().ok());
        text.unwrap_or_default().to_owned()
    }

    /// The name of the function it serves.
    #[must_use]
    pub fn function_name(&self) -> Option<Arc<str>> {
        Some(Arc::clone(&self.bound.borrow().as_ref()?.function.name))
    }

    /// Why it ended, waiting a moment for the runtime to say so: a broken connection is seen
    /// before the engine has told what broke it.
    pub async fn end(&self, patience: Duration) -> Option<End> {
        let ended = self.ended.notified();
        if self.end.borrow().is_none() {
            let _timed_out = tokio::time::timeout(patience, ended).await;
        }
        self.end.borrow().clone()
    }

    /// Returns whether the platform ended it. Known before its connections break.
    #[must_use]
    pub fn ended_by_platform(&self) -> bool {
        self.end.borrow().as_ref().is_some_and(|end| end.outside)
    }

    /// The last lines it wrote to its real output.
    #[must_use]
    pub fn last_lines(&self) -> Vec<String> {
        self.last_lines.borrow().iter().cloned().collect()
    }

    pub(super) fn set_started(&self, started: Started) {
        // Set once, by the one task that started it.
        let _already = self.started.set(started);
    }

    /// Where its inspector comes in; none if it is not debugged.
    pub(super) fn inspector(&self) -> Option<&InstanceListener> {
        self.inspector.get()
    }

    /// Returns whether it was the first.
    pub(super) fn set_inspector(&self, listener: InstanceListener) -> bool {
        self.inspector.set(listener).is_ok()
    }

    pub fn bind(&self, function: Rc<Function>, code: CodeHash, files: &str, import: Duration) {
        let code_header = header(files);
        self.import.set(self.import.get() + import);
        self.bound.replace(Some(BoundFunction {
            function,
            code,
            code_header,
            since: Clock::now(),
        }));
    }

    pub(super) fn add_import(&self, import: Duration) {
        self.import.set(self.import.get() + import);
    }

    pub(super) fn set_end(&self, end: End) {
        self.end.replace(Some(end));
        self.ended.notify_waiters();
    }

    pub(super) fn remember_line(&self, line: &str) {
        if EXIT_PREFIXES.iter().any(|prefix| line.starts_with(prefix)) {
            self.exit_line.replace(Some(line.to_owned()));
        }
        let mut lines = self.last_lines.borrow_mut();
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    pub(super) fn take_connection(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(connection) = idle.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    /// Takes back a connection whose response has ended.
    pub fn put_connection(&self, connection: Connection) {
        if !self.closed.get() && !connection.is_closed() {
            self.idle.borrow_mut().push(connection);
        }
    }

    pub(super) fn close(&self) {
        self.closed.set(true);
        if let Some(started) = self.started() {
            started.address.close();
        }
        self.idle.borrow_mut().clear();
    }
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("numbers and hashes are plain ASCII")
}
