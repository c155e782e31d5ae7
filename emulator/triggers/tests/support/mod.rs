//! A source that puts events into a queue whose runs all end well.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![allow(dead_code, reason = "each crate's tests use what they need of this")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fnlocal_core::trigger::AsyncPolicy;
use fnlocal_triggers::clock::Clock;
use fnlocal_triggers::delivery::{Invoke, Run, RunOutcome, deliver};
use fnlocal_triggers::group_commit::CommitWriter;
use fnlocal_triggers::job::{Job, Trigger};
use fnlocal_triggers::job_queue::JobQueue;
use fnlocal_triggers::queue::Queue;
use fnlocal_triggers::source::{Ingest, Source, SourceHealth, keep};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(90);

pub async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[derive(Default)]
struct Ran {
    /// The subject of each run.
    what: RefCell<Vec<String>>,
    more: Notify,
}

struct Runs(Rc<Ran>);

impl Invoke for Runs {
    fn policy(&self, _function: &str) -> Option<AsyncPolicy> {
        Some(AsyncPolicy::default())
    }

    fn admissible(&self, _function: &str, running: usize) -> u32 {
        u32::try_from(8usize.saturating_sub(running)).unwrap()
    }

    fn functions(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = RunOutcome>>> {
        let text = String::from_utf8(job.body.to_vec()).unwrap();
        let event: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let what = match event["eventName"].as_str() {
            Some(name) => format!("{name} {}", event["s3"]["object"]["key"].as_str().unwrap()),
            None => text,
        };
        self.0.what.borrow_mut().push(what);
        Box::pin(std::future::ready(RunOutcome::Done { status: 200 }))
    }

    fn ended(&self, _run: &Run) {
        self.0.more.notify_one();
    }

    fn warn(&self, text: String) {
        panic!("{text}");
    }
}

/// A source that is read, and what ran of it.
pub struct Taking {
    pub queue: Rc<Queue>,
    pub intake: Rc<Ingest>,
    ran: Rc<Ran>,
    told: Rc<RefCell<Vec<String>>>,
    folder: TempDir,
    writer: CommitWriter,
    tasks: [JoinHandle<()>; 2],
}

impl Taking {
    pub fn of(source: Box<dyn Source>, trigger: Trigger, limit: u64) -> Self {
        Self::begin(tempfile::tempdir().unwrap(), source, trigger, limit)
    }

    pub async fn on(
        folder: TempDir,
        source: Box<dyn Source>,
        trigger: Trigger,
        limit: u64,
    ) -> Self {
        while fnlocal_triggers::store::QueueStore::open(folder.path()).is_err() {
            tokio::task::yield_now().await;
        }
        Self::begin(folder, source, trigger, limit)
    }

    fn begin(folder: TempDir, source: Box<dyn Source>, trigger: Trigger, limit: u64) -> Self {
        let (queue, writer) = Queue::open(folder.path(), Clock::system()).unwrap();
        let ran: Rc<Ran> = Rc::default();
        let told: Rc<RefCell<Vec<String>>> = Rc::default();
        let policy = AsyncPolicy {
            backoff: Duration::from_millis(20),
            backoff_max: Duration::from_millis(200),
            ..AsyncPolicy::default()
        };
        let intake = Rc::new(Ingest::new(
            Rc::clone(&queue) as Rc<dyn JobQueue>,
            source.name(),
            "job".to_owned(),
            trigger,
            policy,
            limit,
        ));
        let telling = Rc::clone(&told);
        let tell = move |_, text| telling.borrow_mut().push(text);
        let runs = Rc::new(Runs(Rc::clone(&ran)));
        let running = deliver(Rc::clone(&queue) as _, runs, Rc::default());
        let tasks = [
            tokio::task::spawn_local(keep(source, Rc::clone(&intake), tell)),
            tokio::task::spawn_local(running),
        ];
        Self {
            queue,
            intake,
            ran,
            told,
            folder,
            writer,
            tasks,
        }
    }

    /// Waits until what ran is as wanted.
    pub async fn until(&self, wanted: impl Fn(&BTreeSet<String>) -> bool) {
        let waiting = async {
            while !wanted(&self.ran()) {
                self.ran.more.notified().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        let view = self.intake.view();
        waited
            .unwrap_or_else(|_| panic!("{} ran of {view:?}; {:?}", self.ran().len(), self.told()));
    }

    /// Waits until the source is as wanted. There is no event for it, so it is looked at again.
    pub async fn until_health(&self, wanted: impl Fn(&SourceHealth) -> bool) {
        let waiting = async {
            while !wanted(&self.intake.view().health) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("{:?}", self.intake.view()));
    }

    pub fn ran(&self) -> BTreeSet<String> {
        self.ran.what.borrow().iter().cloned().collect()
    }

    pub fn runs(&self) -> usize {
        self.ran.what.borrow().len()
    }

    pub fn told(&self) -> Vec<String> {
        self.told.borrow().clone()
    }

    /// Ends it once nothing runs; its folder stays.
    pub async fn stop(self) -> TempDir {
        for task in self.tasks {
            task.abort();
            let _aborted = task.await;
        }
        self.writer.close().await;
        self.folder
    }
}
