//! The thread that owns all watching.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::Change;
use super::debounce::Debounce;
use super::plan::{Meaning, WatchPlan};
use super::poll::{self, Poll};
use crate::ImportMemo;
use crate::Project;

/// How soon to offer a change again that the driver had no room for.
const AGAIN: Duration = Duration::from_millis(10);
/// Longer than anything below waits.
const IDLE: Duration = Duration::from_secs(3600);

/// A message to the thread.
#[derive(Debug)]
pub(super) enum Message {
    /// Something happened to a file.
    Event(notify::Event),
    /// The project was reloaded.
    Replan(Box<Project>),
    /// Look at the overflow flag.
    Wake,
    /// The watcher was dropped.
    Stop,
}

/// How changes are noticed.
enum WatchMethod {
    Native {
        watcher: RecommendedWatcher,
        watched: BTreeSet<PathBuf>,
    },
    Polling {
        poll: Poll,
        next: Instant,
    },
}

/// Owns all watching.
pub(super) struct Hub {
    project: Project,
    inbox: Receiver<Message>,
    overflow: Arc<AtomicBool>,
    out: mpsc::Sender<Change>,
    source: WatchMethod,
    plan: WatchPlan,
    imports: ImportMemo,
    /// Code changed since it was last searched for what it loads.
    unsearched: bool,
    debounce: Debounce,
    /// Events since the last report.
    noticed: Meaning,
    /// Reported events that need a second look.
    unconfirmed: Meaning,
    /// Changes that had no room at the driver.
    waiting: Change,
    /// How the project looked the last time its structure was reported.
    structure: Structure,
}

/// The structure of a project; `None` if it does not open.
type Structure = Option<(String, Vec<crate::Package>)>;

fn structure_of(project: &Project) -> Structure {
    let mut packages = project.packages.clone();
    for package in &mut packages {
        package.id = fnlocal_core::PackageId(0);
    }
    Some((project.name.clone(), packages))
}

impl Hub {
    pub fn new(
        project: Project,
        inbox: Receiver<Message>,
        overflow: Arc<AtomicBool>,
        out: mpsc::Sender<Change>,
    ) -> Self {
        Self {
            structure: structure_of(&project),
            project,
            inbox,
            overflow,
            out,
            source: WatchMethod::Polling {
                poll: Poll::default(),
                next: Instant::now(),
            },
            plan: WatchPlan::default(),
            imports: ImportMemo::default(),
            unsearched: false,
            debounce: Debounce::default(),
            noticed: Meaning::default(),
            unconfirmed: Meaning::default(),
            waiting: Change::default(),
        }
    }

    /// Sets everything up. Without a source it polls, unannounced.
    pub fn begin(&mut self, source: Option<notify::Result<RecommendedWatcher>>) {
        match source {
            Some(Ok(watcher)) => {
                self.source = WatchMethod::Native {
                    watcher,
                    watched: BTreeSet::new(),
                };
                self.replan();
            }
            Some(Err(error)) => self.poll_instead(&error),
            None => self.start_polling(),
        }
    }

    pub fn run(mut self) {
        loop {
            let wait = self
                .next_deadline()
                .map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
            match self.inbox.recv_timeout(wait) {
                Ok(Message::Event(event)) => self.take(&event),
                Ok(Message::Replan(project)) => self.take_project(*project),
                Ok(Message::Wake) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.overflow.swap(false, Ordering::AcqRel) {
                self.take_overflow();
            }
            self.act(Instant::now());
            if self.out.is_closed() {
                return;
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let poll = match &self.source {
            WatchMethod::Polling { next, .. } => Some(*next),
            WatchMethod::Native { .. } => None,
        };
        let again = (!self.waiting.is_empty()).then(|| Instant::now() + AGAIN);
        [
            poll,
            again,
            self.debounce.due(),
            self.debounce.confirm_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn act(&mut self, now: Instant) {
        if let WatchMethod::Polling { poll, next } = &mut self.source
            && *next <= now
        {
            *next = now + poll::EVERY;
            self.noticed
                .merge(poll.look(&self.project, &mut self.imports));
            self.report(false);
        }
        if self.debounce.due().is_some_and(|due| due <= now) {
            self.debounce.reported(now);
            self.report(false);
        }
        if self.debounce.confirm_due().is_some_and(|due| due <= now) {
            self.debounce.confirmed();
            self.noticed.merge(std::mem::take(&mut self.unconfirmed));
            self.report(true);
            // Changes that this look found need no third look.
            self.unconfirmed = Meaning::default();
        }
        self.send();
        // After the change is on its way: it does not wait for this.
        if std::mem::take(&mut self.unsearched)
            && matches!(self.source, WatchMethod::Native { .. })
            && self.plan.is_outdated(&mut self.imports)
        {
            self.replan();
        }
    }

    fn take(&mut self, event: &notify::Event) {
        let appears = matches!(
            event.kind,
            EventKind::Create(_)
                | EventKind::Remove(_)
                | EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Any
                | EventKind::Other
        );
        for path in &event.paths {
            let meaning = self.plan.meaning(path, appears);
            if appears {
                self.forget(path);
            }
            if !meaning.is_empty() {
                self.debounce.note(Instant::now(), path.clone());
                self.noticed.merge(meaning);
            }
        }
    }

    /// A folder that went, or came anew under its old name, is no longer watched.
    fn forget(&mut self, path: &Path) {
        if let WatchMethod::Native { watched, .. } = &mut self.source
            && watched.contains(path)
        {
            watched.retain(|folder| !folder.starts_with(path));
            self.noticed.replan = true;
            self.debounce.note(Instant::now(), path.to_owned());
        }
    }

    fn take_project(&mut self, project: Project) {
        let known: BTreeSet<_> = self
            .project
            .packages
            .iter()
            .map(|package| package.id)
            .collect();
        self.structure = structure_of(&project);
        self.project = project;
        self.replan();
        let new = self
            .project
            .packages
            .iter()
            .map(|package| package.id)
            .filter(|id| !known.contains(id));
        self.noticed.packages.extend(new);
        if !self.noticed.packages.is_empty() {
            self.debounce
                .note(Instant::now(), self.project.root.clone());
        }
    }

    fn take_overflow(&mut self) {
        if let WatchMethod::Native { watched, .. } = &mut self.source {
            watched.clear();
        }
        self.noticed.merge(Meaning::everything(&self.project));
        self.debounce
            .note(Instant::now(), self.project.root.clone());
    }

    /// Turns what was noticed into a change.
    fn report(&mut self, confirming: bool) {
        let noticed = std::mem::take(&mut self.noticed);
        if noticed.replan {
            self.replan();
        }
        self.unsearched |= !noticed.packages.is_empty();
        let structure = noticed.structure && self.structure_differs();
        self.waiting.merge(Change {
            packages: noticed.packages.clone(),
            config: noticed.config,
            env: noticed.env,
            structure,
            confirming,
            notice: None,
        });
        self.unconfirmed.merge(noticed);
    }

    fn structure_differs(&mut self) -> bool {
        let now = self.project.reload().ok().as_ref().and_then(structure_of);
        let differs = now != self.structure;
        self.structure = now;
        differs
    }

    fn send(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if let Ok(room) = self.out.try_reserve() {
            room.send(std::mem::take(&mut self.waiting));
        }
    }

    /// Watches what is to be watched now, and nothing else.
    fn replan(&mut self) {
        let WatchMethod::Native { watcher, watched } = &mut self.source else {
            return;
        };
        let mut wanted = BTreeSet::new();
        let mut failed = None;
        self.plan = WatchPlan::make(&self.project, &mut self.imports, &mut |folder| {
            wanted.insert(folder.to_owned());
            if watched.contains(folder) {
                return true;
            }
            match watch(watcher, folder, &self.project.root) {
                Ok(()) => {
                    watched.insert(folder.to_owned());
                }
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        });
        if let Some(error) = failed {
            return self.poll_instead(&error);
        }
        for folder in watched.extract_if(.., |folder| !wanted.contains(folder)) {
            // The watch may be gone by itself.
            let _ = watcher.unwatch(&folder);
        }
    }

    fn poll_instead(&mut self, error: &notify::Error) {
        let why = match error.kind {
            ErrorKind::MaxFilesWatch => {
                "the limit of watched folders is reached (raise fs.inotify.max_user_watches)"
                    .to_owned()
            }
            _ => error.to_string(),
        };
        self.waiting.notice = Some(format!(
            "files are looked at each second, because they cannot be watched: {why}"
        ));
        self.start_polling();
    }

    fn start_polling(&mut self) {
        let mut poll = Poll::default();
        let _ = poll.look(&self.project, &mut self.imports);
        self.source = WatchMethod::Polling {
            poll,
            next: Instant::now() + poll::EVERY,
        };
    }
}

/// Watches one folder; on macOS, whose watches are recursive and cheap, the whole project once.
fn watch(
    watcher: &mut RecommendedWatcher,
    folder: &Path,
    project: &Path,
) -> Result<(), notify::Error> {
    let result = if !cfg!(target_os = "macos") {
        watcher.watch(folder, RecursiveMode::NonRecursive)
    } else if folder == project {
        watcher.watch(folder, RecursiveMode::Recursive)
    } else {
        Ok(())
    };
    match result {
        // Gone since it was found: its removal is an event of its own.
        Err(error) if is_missing(&error) => Ok(()),
        result => result,
    }
}

fn is_missing(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => matches!(
            error.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
        ),
        _ => false,
    }
}
