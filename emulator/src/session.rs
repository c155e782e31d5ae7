//! A node: a driver on a runtime, the tasks it needs, and the order in which they end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use fnlocal_core::NodeLimits;
use futures_util::future::select_all;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_local};
use tokio_util::sync::CancellationToken;

use fnlocal_driver::{Describe, Driver};
use fnlocal_faults::{Broken, Faults};
use fnlocal_logs::Logs;
use fnlocal_runtime::open::{OpenError, Opener};
use fnlocal_runtime::{Notice, Runtime};

/// The maximum number of notices of a runtime that wait for its driver.
pub(crate) const MAX_NOTICES: usize = 1024;

/// How to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Finish what is under way, then end.
    pub gently: CancellationToken,
    /// End at once.
    pub now: CancellationToken,
}

/// A node's runtime that is open already.
pub(crate) struct OpenedRuntime {
    /// The node's name.
    pub node: &'static str,
    pub runtime: Arc<dyn Runtime>,
    pub notices: mpsc::Receiver<Notice>,
}

/// Makes nodes that serve the same.
pub(crate) struct NodeFactory {
    /// Opens their runtimes.
    pub opener: Opener,
    /// The first node's runtime, if it is open already.
    pub first: RefCell<Option<OpenedRuntime>>,
    /// Turns their descriptions into functions.
    pub describe: Rc<dyn Describe>,
    /// The limits of each.
    pub limits: NodeLimits,
    pub logs: Logs,
}

impl NodeFactory {
    /// A factory that opens every runtime itself.
    pub fn new(opener: Opener, describe: Rc<dyn Describe>, limits: NodeLimits, logs: Logs) -> Self {
        Self {
            opener,
            first: RefCell::default(),
            describe,
            limits,
            logs,
        }
    }

    /// Starts the node of this name. Must run inside a `LocalSet`.
    pub async fn open(&self, name: &str) -> Result<NodeSession, OpenError> {
        let first = self.first.borrow_mut().take_if(|first| first.node == name);
        let (runtime, notices) = match first {
            Some(first) => (first.runtime, first.notices),
            None => {
                let (sender, notices) = mpsc::channel(MAX_NOTICES);
                let progress = |text| self.logs.note(text);
                let runtime = self.opener.open(name, sender, &progress).await?;
                (runtime, notices)
            }
        };
        let driver = Driver::new(
            self.limits.clone(),
            Arc::clone(&runtime),
            Rc::clone(&self.describe),
            self.logs.clone(),
        );
        let tasks = vec![
            spawn_local(Rc::clone(&driver).keep_deadlines()),
            spawn_local(Rc::clone(&driver).follow_notices(notices)),
        ];
        Ok(NodeSession {
            driver,
            runtime,
            tasks: RefCell::new(tasks),
        })
    }
}

/// A driver on a runtime, and the tasks it needs.
pub(crate) struct NodeSession {
    pub driver: Rc<Driver>,
    runtime: Arc<dyn Runtime>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
}

impl NodeSession {
    /// Runs `serving` to its end, and ends everything that was started. Once.
    ///
    /// # Errors
    /// Those of `serving`, and [`Broken`] when a task of the driver ends before it.
    pub async fn run<E: From<Broken>>(
        &self,
        serving: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let mut tasks = self.tasks.take();
        let ending = self.runtime.shutdown();
        let served = run_beside(&mut tasks, serving, ending, self.driver.logs()).await;
        for task in tasks {
            task.abort();
        }
        served
    }
}

/// Runs `serving` to its end beside `tasks`, and then `ending`.
///
/// # Errors
/// Those of `serving`, and [`Broken`] when one of `tasks` ends before it or a fault is fatal.
pub(crate) async fn run_beside<E: From<Broken>>(
    tasks: &mut [JoinHandle<()>],
    serving: impl Future<Output = Result<(), E>>,
    ending: impl Future<Output = ()>,
    logs: &Logs,
) -> Result<(), E> {
    let whole = async {
        tokio::select! {
            served = serving => served,
            broken = any_end(tasks) => Err(broken.into()),
        }
    };
    let warn = |text| logs.warn(text);
    Faults::process().around(warn, whole, ending).await
}

/// Returns when one of the tasks, none of which may end by itself, has ended.
pub(crate) async fn any_end(tasks: &mut [JoinHandle<()>]) -> Broken {
    let (ended, ..) = select_all(tasks).await;
    broken(ended)
}

/// Returns the fault of a task that may not end by itself.
pub(crate) fn broken(ended: Result<(), JoinError>) -> Broken {
    Broken(ended.err().map_or_else(
        || "an internal task exited unexpectedly".to_owned(),
        |error| error.to_string(),
    ))
}
