//! One running wrapper, as the driver sees it.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use fnlocal_core::{CodeHash, InstanceId, PackageId};
use http::HeaderValue;
use tokio::sync::Notify;

use super::Function;
use super::exchange::Connection;
use crate::runtime::{End, Started};

/// Lines kept to explain a death with.
const LAST_LINES: usize = 20;

/// One running wrapper: its address, its kept connections and what it runs.
pub struct Instance {
    /// Its number.
    pub id: InstanceId,
    /// Its package.
    pub package: PackageId,
    /// Its number as a response header.
    pub id_header: HeaderValue,
    started: OnceCell<Started>,
    idle: RefCell<Vec<Connection>>,
    bound: RefCell<Option<Bound>>,
    import: Cell<Duration>,
    end: RefCell<Option<End>>,
    ended: Notify,
    last_lines: RefCell<VecDeque<String>>,
    closed: Cell<bool>,
}

/// What an instance serves.
#[derive(Clone)]
pub struct Bound {
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
            idle: RefCell::default(),
            bound: RefCell::default(),
            import: Cell::default(),
            end: RefCell::default(),
            ended: Notify::new(),
            last_lines: RefCell::default(),
            closed: Cell::new(false),
        }
    }

    /// How it was started; none while it is being started.
    #[must_use]
    pub fn started(&self) -> Option<&Started> {
        self.started.get()
    }

    /// Time its function's import took.
    #[must_use]
    pub fn import(&self) -> Duration {
        self.import.get()
    }

    /// What it serves; none for a spare.
    #[must_use]
    pub fn bound(&self) -> Option<Bound> {
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

    /// Whether the platform ended it. Known before its connections break.
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

    pub(super) fn bind(
        &self,
        function: Rc<Function>,
        code: CodeHash,
        files: &str,
        import: Duration,
    ) {
        let code_header = header(files);
        self.import.set(self.import.get() + import);
        self.bound.replace(Some(Bound {
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
        self.idle.borrow_mut().clear();
    }
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("numbers and hashes are plain ASCII")
}
