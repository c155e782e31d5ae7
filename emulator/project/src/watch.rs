//! Noticing saves, on the host: events inside containers get lost on some machines.
//!
//! Events are only hints. After any event and a short quiet time, a [`Change`] names the packages
//! concerned, and the driver finds the real changes by hash. So an event too many costs nothing. One
//! more change follows each burst, because events do get lost while folders are being made. Folders
//! that hold no code are not watched: most machines bound how many may be.

mod debounce;
mod hub;
mod links;
mod plan;
mod poll;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use fnlocal_core::PackageId;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher};
use tokio::sync::mpsc;

use crate::Project;
use hub::{Hub, Message};

/// Events that may wait for the watching thread. More at once means a checkout or an install, after
/// which everything is looked at anyway.
const RAW: usize = 1024;
/// Changes that may wait for the driver. Further ones are merged until there is room.
const CHANGES: usize = 4;

/// A possible change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Packages whose files may have changed.
    pub packages: BTreeSet<PackageId>,
    /// `fnlocal.toml` may have changed.
    pub config: bool,
    /// One of the files with variables may have changed.
    pub env: bool,
    /// [`Project::reload`] gives other packages or entries than before, or fails now.
    pub structure: bool,
    /// Nothing new happened: this looks once more at what the changes before were about.
    pub confirming: bool,
    /// Something to tell the person: how watching works has changed.
    pub notice: Option<String>,
}

impl Change {
    /// Returns whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
            && !self.config
            && !self.env
            && !self.structure
            && self.notice.is_none()
    }

    /// Adds what another says.
    pub fn merge(&mut self, other: Self) {
        let confirming = other.confirming && (self.confirming || self.is_empty());
        self.packages.extend(other.packages);
        self.config |= other.config;
        self.env |= other.env;
        self.structure |= other.structure;
        self.confirming = confirming;
        self.notice = other.notice.or_else(|| self.notice.take());
    }
}

/// Where events come from, if they can be had.
type NativeWatcher = Option<notify::Result<RecommendedWatcher>>;

/// Watches a project until dropped.
#[derive(Debug)]
pub struct Watcher {
    messages: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts watching. Folders that cannot be watched are polled each second instead, and the
    /// first change says so. Blocks for the walk, some milliseconds per thousand files.
    ///
    /// # Errors
    /// [`WatchError`] when no thread can be started.
    pub fn start(project: &Project) -> Result<(Self, mpsc::Receiver<Change>), WatchError> {
        Self::start_with(project, |messages, overflow| {
            Some(listen(messages, overflow))
        })
    }

    /// Takes over a reloaded project. Packages that are new are reported as changed.
    pub fn replan(&self, project: &Project) {
        // A thread that is gone has nothing to plan.
        let _ = self
            .messages
            .send(Message::Replan(Box::new(project.clone())));
    }

    /// Starts with another source of events; with none it polls.
    fn start_with(
        project: &Project,
        source: impl FnOnce(SyncSender<Message>, Arc<AtomicBool>) -> NativeWatcher,
    ) -> Result<(Self, mpsc::Receiver<Change>), WatchError> {
        let (messages, inbox) = sync_channel(RAW);
        let (out, changes) = mpsc::channel(CHANGES);
        let overflow = Arc::new(AtomicBool::new(false));
        let source = source(messages.clone(), Arc::clone(&overflow));
        let mut hub = Hub::new(project.clone(), inbox, overflow, out);
        // Before the thread, so that a save right after this returns is noticed.
        hub.begin(source);
        let thread = std::thread::Builder::new()
            .name("fnlocal-watch".to_owned())
            .spawn(move || hub.run())
            .map_err(WatchError)?;
        Ok((
            Self {
                messages,
                thread: Some(thread),
            },
            changes,
        ))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Makes the operating system's watcher. That watcher never waits for ours: events without room are
/// an overflow.
fn listen(
    messages: SyncSender<Message>,
    overflow: Arc<AtomicBool>,
) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let lost = match event {
            Ok(event) if event.need_rescan() => true,
            Ok(event) if !matters(event.kind) => return,
            Ok(event) => matches!(
                messages.try_send(Message::Event(event)),
                Err(TrySendError::Full(_))
            ),
            Err(_) => true,
        };
        if lost {
            overflow.store(true, Ordering::Release);
            // Wakes the thread; when there is no room it is awake.
            let _ = messages.try_send(Message::Wake);
        }
    })
}

/// Reading is no change; closing after writing ends one.
fn matters(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// Why a project cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("could not start watching")]
pub struct WatchError(#[source] std::io::Error);

fnlocal_api::user_error!(WatchError {
    _ => "stop other programs: this machine has no threads left";
});

#[cfg(test)]
mod tests;
