//! Faults of fnlocal itself: panics, and parts that ended although they must not.
//!
//! A panic in the task of one request or connection costs that request: it is printed, counted and
//! visible in the metrics. A part that must last makes `/_fnlocal/health` answer 503 with its name.
//! A part without which the platform is not whole also ends the process, in order, with exit code
//! 70. Threads are known by their names, tasks by [`Faults::vital`].
#![warn(clippy::disallowed_macros)]

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use fnlocal_api::Exit;
use futures_util::FutureExt;
use serde::Serialize;
use tokio::sync::watch;

/// Threads without which the platform is not whole.
const VITAL_THREADS: [&str; 6] = [
    "journal",
    "printer",
    "queue",
    "fnlocal-watch",
    "cloud",
    "load",
];
/// Threads that must last, and whose loss leaves requests served.
const LASTING_THREADS: [&str; 2] = ["spans", "recorder"];
/// The maximum number of faults kept, and of texts that wait to be logged.
const MAX_KEPT: usize = 20;
/// The maximum length of a fault's text, in characters.
const MAX_TEXT_CHARS: usize = 500;

static PROCESS: LazyLock<Faults> = LazyLock::new(Faults::default);

/// A part of fnlocal itself broke down.
#[derive(Debug, thiserror::Error)]
#[error("a part of fnlocal broke down: {0}")]
pub struct Broken(pub String);

fnlocal_api::user_error!(Broken {
    _ => "this is a fault of fnlocal; report it with the lines above", Bug;
});

/// A part of fnlocal that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its name.
    pub part: String,
    /// The description of the fault.
    pub what: String,
    /// The platform is not whole without it: the process ends.
    pub fatal: bool,
}

/// The faults of a process, or of a test. Cheap to clone.
#[derive(Clone, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Default)]
struct Inner {
    panics: AtomicU64,
    seen: Mutex<SeenFaults>,
    /// Changes for all that watch.
    changed: watch::Sender<u64>,
    /// Those that end the process in order when a fault is fatal.
    watchers: AtomicUsize,
}

#[derive(Default)]
struct SeenFaults {
    faults: Vec<Fault>,
    unlogged: VecDeque<String>,
}

/// Notices every panic of this process from now on, after it was printed.
pub fn install() {
    let printing = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        printing(panic);
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        Faults::process().panicked(name, &panic.to_string());
    }));
}

impl Faults {
    /// Those of this process.
    #[must_use]
    pub fn process() -> &'static Self {
        &PROCESS
    }

    /// The number of panics so far.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }

    /// The parts that are missing.
    #[must_use]
    pub fn missing(&self) -> Vec<Fault> {
        self.seen().faults.clone()
    }

    /// Takes in a panic of a thread.
    fn panicked(&self, thread: &str, text: &str) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
        self.log(format!("a fault of fnlocal; report it: {text}"));
        let fatal = VITAL_THREADS.contains(&thread);
        if fatal || LASTING_THREADS.contains(&thread) {
            self.raise(thread, "its thread panicked", fatal);
        }
    }

    /// Notes that a part is missing. A fatal fault ends the process: in order where something
    /// watches ([`Faults::watch`]), at once elsewhere.
    pub fn raise(&self, part: &str, what: &str, fatal: bool) {
        let fault = Fault {
            part: part.to_owned(),
            what: what.to_owned(),
            fatal,
        };
        self.log(format!("{part} is missing: {what}"));
        {
            let mut seen = self.seen();
            if seen.faults.len() < MAX_KEPT || fatal {
                seen.faults.push(fault);
            }
        }
        self.0.changed.send_modify(|changes| *changes += 1);
        let is_process = Arc::ptr_eq(&self.0, &PROCESS.0);
        if fatal && is_process && self.0.watchers.load(Ordering::Acquire) == 0 {
            std::process::exit(Exit::Bug as i32);
        }
    }

    /// Notes a fatal fault if the thread panics while the guard lives.
    #[must_use]
    pub fn guard(&self, part: &'static str) -> Guard {
        Guard {
            faults: self.clone(),
            part,
            fatal: true,
        }
    }

    /// Notes a fault that is not fatal if the thread panics while the guard lives.
    #[must_use]
    pub fn lasting(&self, part: &'static str) -> Guard {
        Guard {
            faults: self.clone(),
            part,
            fatal: false,
        }
    }

    /// Runs a part that must not end: a panic or an end is a fatal fault. Dropping it is neither.
    pub async fn vital(self, part: &'static str, work: impl Future<Output = ()>) {
        let guard = self.guard(part);
        work.await;
        drop(guard);
        self.raise(part, "it ended, and must not", true);
    }

    /// Hands each fault's text to `warn` until a fault is fatal, and returns that one.
    pub async fn watch(&self, warn: impl Fn(String)) -> Broken {
        let _watching = Watching::new(&self.0);
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let (texts, fatal) = {
                let mut seen = self.seen();
                let texts = std::mem::take(&mut seen.unlogged);
                (texts, seen.faults.iter().find(|one| one.fatal).cloned())
            };
            for text in texts {
                warn(text);
            }
            if let Some(Fault { part, what, .. }) = fatal {
                return Broken(format!("{part}: {what}"));
            }
            // Its sender lives as long as this.
            let _open = changed.changed().await;
        }
    }

    /// Runs what serves until it ends or a fault is fatal. A panic of it is one. Until `ending` has
    /// ended, too, no fault ends the process at once.
    pub async fn around<E: From<Broken>>(
        &self,
        warn: impl Fn(String),
        serving: impl Future<Output = Result<(), E>>,
        ending: impl Future<Output = ()>,
    ) -> Result<(), E> {
        let _watching = Watching::new(&self.0);
        let serving = AssertUnwindSafe(serving).catch_unwind();
        let served = tokio::select! {
            served = serving => served
                .unwrap_or_else(|_| Err(Broken("the part that serves panicked".to_owned()).into())),
            broken = self.watch(warn) => Err(broken.into()),
        };
        ending.await;
        served
    }

    fn log(&self, text: String) {
        let mut seen = self.seen();
        if seen.unlogged.len() < MAX_KEPT {
            seen.unlogged
                .push_back(text.chars().take(MAX_TEXT_CHARS).collect());
        }
        self.0.changed.send_modify(|changes| *changes += 1);
    }

    fn seen(&self) -> MutexGuard<'_, SeenFaults> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes a fault when it is dropped by a panic.
pub struct Guard {
    faults: Faults,
    part: &'static str,
    fatal: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.faults.raise(self.part, "it panicked", self.fatal);
        }
    }
}

/// Something ends the process in order.
struct Watching(Arc<Inner>);

impl Watching {
    fn new(inner: &Arc<Inner>) -> Self {
        inner.watchers.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(inner))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
