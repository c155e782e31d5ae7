//! The image of the last quiet state, built beside `dev`, so that whoever promotes need not wait.
//!
//! The build runs on a thread of its own, of low priority, as are its threads and programs. A save
//! ends it. If it fails, one line says so.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::path::PathBuf;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use fnlocal_image::build::{self, BuildError};
use fnlocal_project::Project;

/// Time without a save after which it begins.
pub(super) const QUIET: Duration = Duration::from_secs(5);
/// For what it has in the engine to be removed, when `dev` ends.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// Builds in the background.
pub(super) struct Background {
    enabled: bool,
    state: PathBuf,
    due: Cell<bool>,
    running: RefCell<Option<RunningBuild>>,
    reported: RefCell<Option<String>>,
}

struct RunningBuild {
    stop: DropGuard,
    done: oneshot::Receiver<Option<String>>,
}

impl Background {
    pub fn new(enabled: bool, state: PathBuf) -> Self {
        Self {
            enabled,
            state,
            due: Cell::new(enabled),
            running: RefCell::default(),
            reported: RefCell::default(),
        }
    }

    /// Ends what is being built: it is out of date.
    pub fn changed(&self) {
        self.running.replace(None);
        self.due.set(self.enabled);
    }

    /// Returns whether something was saved that is not built.
    pub fn is_due(&self) -> bool {
        self.due.get()
    }

    pub fn start(&self, project: Project) {
        self.due.set(false);
        let stop = CancellationToken::new();
        let (sender, done) = oneshot::channel();
        let (state, stopped) = (self.state.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("build".into());
        let started = thread.spawn(move || {
            lower_priority();
            // After a save the receiver may be gone.
            let _nobody = sender.send(run(&project, &state, &stopped));
        });
        // Without a thread there is no image ahead, which only costs time later.
        if started.is_ok() {
            let stop = stop.drop_guard();
            self.running.replace(Some(RunningBuild { stop, done }));
        }
    }

    /// Waits for the build to fail, and returns why if that is new. Never returns otherwise.
    pub async fn failed(&self) -> String {
        poll_fn(|context| {
            let mut running = self.running.borrow_mut();
            let Some(now) = running.as_mut() else {
                return Poll::Pending;
            };
            let Poll::Ready(done) = now.done.poll_unpin(context) else {
                return Poll::Pending;
            };
            running.take();
            let Ok(Some(why)) = done else {
                return Poll::Pending;
            };
            let before = self.reported.replace(Some(why.clone()));
            if before.as_ref() == Some(&why) {
                return Poll::Pending;
            }
            Poll::Ready(why)
        })
        .await
    }

    /// Ends it and waits until nothing of it is left.
    pub async fn end(&self) {
        let running = self.running.take();
        if let Some(RunningBuild { stop, done }) = running {
            drop(stop);
            let _left_to_the_next_run = tokio::time::timeout(CLEAN_UP, done).await;
        }
    }
}

/// Builds; why it failed, if it did, in a line.
fn run(project: &Project, state: &std::path::Path, stop: &CancellationToken) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Some(error.to_string()),
    };
    let outcome = runtime.block_on(build::in_background(project, state, stop));
    runtime.shutdown_background();
    match outcome {
        // `dev` shows what is wrong with code, and has more to say about it.
        // Processes need no engine, and without one there is no image.
        Ok(()) | Err(BuildError::Import { .. } | BuildError::Engine { .. }) => None,
        Err(error) => error.to_string().lines().next().map(str::to_owned),
    }
}

/// On Linux a thread has a priority of its own, which its threads and programs get too.
#[cfg(target_os = "linux")]
fn lower_priority() {
    let _as_it_was = rustix::process::setpriority_process(None, 10);
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}
