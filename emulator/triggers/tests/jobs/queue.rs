//! The queue with a clock that the test sets and runs that the test ends.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fnlocal_core::trigger::AsyncPolicy;
use fnlocal_triggers::clock::Clock;
use fnlocal_triggers::delivery::{Disposition, Invoke, Run, RunOutcome, deliver};
use fnlocal_triggers::group_commit::CommitWriter;
use fnlocal_triggers::job::{Accepted, Job, JobId, NewJob, Trigger};
use fnlocal_triggers::job_queue::JobQueue;
use fnlocal_triggers::queue::{JobState, Offline, Queue, Selection};
use fnlocal_triggers::store::QueueStoreError;
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

/// Ends runs as `script` says, by the job's body; what is not in it ends well.
struct Scripted {
    script: RefCell<BTreeMap<String, Vec<RunOutcome>>>,
    policy: AsyncPolicy,
    room: usize,
    began: RefCell<Vec<String>>,
    ended: mpsc::UnboundedSender<Run>,
    /// Runs wait for it, if there is one.
    gate: Option<Rc<Notify>>,
    /// There is no such function.
    gone: Cell<bool>,
    /// The warnings that it got. `None` if a warning is a fault.
    told: Option<RefCell<Vec<String>>>,
}

impl Invoke for Scripted {
    fn policy(&self, _function: &str) -> Option<AsyncPolicy> {
        (!self.gone.get()).then(|| self.policy.clone())
    }

    fn admissible(&self, _function: &str, running: usize) -> u32 {
        let room = if self.gone.get() { 0 } else { self.room };
        u32::try_from(room.saturating_sub(running)).unwrap()
    }

    fn functions(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = RunOutcome>>> {
        let body = String::from_utf8(job.body.to_vec()).unwrap();
        self.began.borrow_mut().push(body.clone());
        let mut script = self.script.borrow_mut();
        let next = script.get_mut(&body).and_then(|outcomes| {
            let some = !outcomes.is_empty();
            some.then(|| outcomes.remove(0))
        });
        let gate = self.gate.clone();
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.notified().await;
            }
            next.unwrap_or(RunOutcome::Done { status: 200 })
        })
    }

    fn ended(&self, run: &Run) {
        self.ended.send(run.clone()).unwrap();
    }

    fn warn(&self, text: String) {
        match &self.told {
            Some(told) => told.borrow_mut().push(text),
            None => panic!("{text}"),
        }
    }
}

struct Bench {
    folder: tempfile::TempDir,
    now: Arc<AtomicU64>,
    /// How far the time of day was set forward, in milliseconds.
    set: Arc<AtomicI64>,
    queue: Rc<Queue>,
    writer: Option<CommitWriter>,
    runs: mpsc::UnboundedReceiver<Run>,
    invoke: Rc<Scripted>,
    task: tokio::task::JoinHandle<()>,
}

fn quick() -> AsyncPolicy {
    AsyncPolicy {
        backoff: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        ..AsyncPolicy::default()
    }
}

impl Bench {
    fn new(
        policy: AsyncPolicy,
        script: &[(&str, Vec<RunOutcome>)],
        gate: Option<Rc<Notify>>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::on(folder, policy, script, gate)
    }

    fn on(
        folder: tempfile::TempDir,
        policy: AsyncPolicy,
        script: &[(&str, Vec<RunOutcome>)],
        gate: Option<Rc<Notify>>,
    ) -> Self {
        Self::that_warns(folder, policy, script, gate, false)
    }

    fn that_warns(
        folder: tempfile::TempDir,
        policy: AsyncPolicy,
        script: &[(&str, Vec<RunOutcome>)],
        gate: Option<Rc<Notify>>,
        may_warn: bool,
    ) -> Self {
        let now = Arc::new(AtomicU64::new(1_000_000));
        let told = Arc::clone(&now);
        // Every look takes a millisecond, so that short pauses pass.
        let (steady, set) = (Arc::clone(&now), Arc::new(AtomicI64::new(0)));
        let day = Arc::clone(&set);
        let clock = Clock::that_is_set(
            move || {
                let now = told.fetch_add(1, Ordering::SeqCst);
                now.saturating_add_signed(day.load(Ordering::SeqCst))
            },
            move || steady.fetch_add(1, Ordering::SeqCst),
        );
        let (queue, writer) = Queue::open(folder.path(), clock).unwrap();
        let (ended, runs) = mpsc::unbounded_channel();
        let script = script
            .iter()
            .map(|(body, runs)| ((*body).to_owned(), runs.clone()));
        let invoke = Rc::new(Scripted {
            script: RefCell::new(script.collect()),
            policy,
            room: 4,
            began: RefCell::default(),
            ended,
            gate,
            gone: Cell::new(false),
            told: may_warn.then(RefCell::default),
        });
        let running = deliver(
            Rc::clone(&queue) as Rc<dyn JobQueue>,
            Rc::clone(&invoke) as Rc<dyn Invoke>,
            Rc::default(),
        );
        let task = tokio::task::spawn_local(running);
        Self {
            folder,
            now,
            set,
            queue,
            writer: Some(writer),
            runs,
            invoke,
            task,
        }
    }

    async fn accept(&self, body: &str) -> Accepted {
        self.accept_job(job(body)).await
    }

    async fn accept_job(&self, job: NewJob) -> Accepted {
        let queue = Rc::clone(&self.queue);
        let mut accepted = queue.enqueue(vec![job].into()).await.unwrap();
        accepted.remove(0)
    }

    /// The next run that is over, with its job.
    async fn over(&mut self) -> Run {
        loop {
            let run = self.runs.recv().await.unwrap();
            if !matches!(run.fate, Disposition::Again(_)) {
                return run;
            }
        }
    }

    /// Ends it as a crash would: what is not on disk is forgotten.
    async fn crash(mut self) -> tempfile::TempDir {
        self.task.abort();
        let _aborted = (&mut self.task).await;
        let writer = self.writer.take().unwrap();
        writer.close().await;
        self.folder
    }
}

fn job(body: &str) -> NewJob {
    NewJob {
        function: "work".to_owned(),
        trigger: Trigger::Async,
        path: "/work".to_owned(),
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        body: Bytes::from(body.to_owned()),
        order: None,
        key: None,
        keep_key_ms: 60_000,
        max_age_ms: 6 * 3_600_000,
        dead: None,
    }
}

fn keyed(body: &str, order: Option<&str>, key: Option<&str>) -> NewJob {
    NewJob {
        order: order.map(str::to_owned),
        key: key.map(str::to_owned),
        ..job(body)
    }
}

fn failed() -> RunOutcome {
    RunOutcome::Failed {
        error: "no luck".to_owned(),
        hopeless: false,
        status: 500,
    }
}

async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_failed_job_is_retried_until_it_succeeds() {
    local(async {
        let mut bench = Bench::new(quick(), &[("a", vec![failed(), failed()])], None);
        bench.accept("a").await;
        let run = bench.over().await;
        assert_eq!((run.fate, run.head.attempts), (Disposition::Done, 2));
        let left = bench.queue.list(Selection::default()).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    })
    .await;
}

#[tokio::test]
async fn a_job_out_of_attempts_becomes_a_dead_letter_with_its_error_and_can_be_retried() {
    local(async {
        let policy = AsyncPolicy {
            attempts: 3,
            ..quick()
        };
        let mut bench = Bench::new(policy, &[("a", vec![failed(); 3])], None);
        let id = bench.accept("a").await.id();
        assert_eq!(bench.over().await.fate, Disposition::Dead);
        let dead = bench.queue.list(Selection::default()).await.unwrap();
        assert_eq!(dead[0].state, JobState::Dead);
        assert_eq!(dead[0].job.error.as_deref(), Some("no luck"));
        assert_eq!(bench.queue.view().dead, 1);

        let chosen = Selection {
            ids: vec![id],
            ..Selection::default()
        };
        assert_eq!(Rc::clone(&bench.queue).retry(chosen).await.unwrap(), 1);
        let run = bench.over().await;
        assert_eq!((run.head.id, run.fate), (id, Disposition::Done));
        assert_eq!(bench.queue.view().dead, 0);
    })
    .await;
}

#[tokio::test]
async fn a_job_with_an_invalid_event_is_not_retried() {
    local(async {
        let wrong = RunOutcome::Failed {
            error: "400".to_owned(),
            hopeless: true,
            status: 400,
        };
        let mut bench = Bench::new(quick(), &[("a", vec![wrong])], None);
        bench.accept("a").await;
        let run = bench.over().await;
        assert_eq!((run.fate, run.head.attempts), (Disposition::Dead, 1));
    })
    .await;
}

#[tokio::test]
async fn a_run_that_could_not_start_does_not_count_as_an_attempt() {
    local(async {
        let busy = RunOutcome::NotRun {
            why: "full".to_owned(),
            after: Some(Duration::from_millis(1)),
        };
        let policy = AsyncPolicy {
            attempts: 1,
            ..quick()
        };
        let mut bench = Bench::new(policy, &[("a", vec![busy; 20])], None);
        bench.accept("a").await;
        let run = bench.over().await;
        assert_eq!((run.fate, run.head.attempts), (Disposition::Done, 0));
    })
    .await;
}

#[tokio::test]
async fn a_job_over_its_max_age_becomes_a_dead_letter() {
    local(async {
        let busy = RunOutcome::NotRun {
            why: "full".to_owned(),
            after: Some(Duration::from_secs(3600)),
        };
        let mut bench = Bench::new(AsyncPolicy::default(), &[("a", vec![busy])], None);
        bench.accept("a").await;
        let run = bench.runs.recv().await.unwrap();
        assert!(matches!(run.fate, Disposition::Again(_)), "{run:?}");
        bench.now.fetch_add(7 * 3_600_000, Ordering::SeqCst);
        // Something else happens, and the old one is noticed.
        bench.accept("b").await;
        let mut fates = [bench.over().await, bench.over().await];
        fates.sort_by_key(|run| run.head.id);
        assert_eq!(fates[0].fate, Disposition::Dead);
        assert!(fates[0].head.error.as_ref().unwrap().contains("max_age"));
        assert_eq!(fates[1].fate, Disposition::Done);
    })
    .await;
}

#[tokio::test]
async fn an_accepted_job_runs_even_if_its_sender_disconnects() {
    local(async {
        let mut bench = Bench::new(quick(), &[], None);
        let queue = Rc::clone(&bench.queue);
        let mut accepting = queue.enqueue(vec![job("a")].into());
        assert!(futures_util::poll!(&mut accepting).is_pending());
        drop(accepting);
        assert_eq!(bench.over().await.fate, Disposition::Done);
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_creates_one_job_until_it_expires() {
    local(async {
        let mut bench = Bench::new(quick(), &[], None);
        let first = bench.accept_job(keyed("a", None, Some("k"))).await;
        let again = bench.accept_job(keyed("a", None, Some("k"))).await;
        assert_eq!(again, Accepted::Known(first.id()));
        bench.over().await;
        // Also when it has run.
        let again = bench.accept_job(keyed("a", None, Some("k"))).await;
        assert_eq!(again, Accepted::Known(first.id()));
        bench.now.fetch_add(60_000, Ordering::SeqCst);
        let later = bench.accept_job(keyed("a", None, Some("k"))).await;
        assert!(matches!(later, Accepted::New(_)), "{later:?}");
    })
    .await;
}

#[tokio::test]
async fn jobs_of_one_order_key_run_one_at_a_time_in_order_even_if_one_fails() {
    local(async {
        let mut bench = Bench::new(quick(), &[("1", vec![failed(), failed()])], None);
        for body in ["1", "2", "3"] {
            bench.accept_job(keyed(body, Some("k"), None)).await;
        }
        bench.accept("other").await;
        for _ in 0..4 {
            bench.over().await;
        }
        let mut began = bench.invoke.began.borrow().clone();
        began.retain(|body| body != "other");
        assert_eq!(began, ["1", "1", "1", "2", "3"]);
    })
    .await;
}

#[tokio::test]
async fn a_crash_during_runs_loses_no_job() {
    local(async {
        let gate = Rc::new(Notify::new());
        let bench = Bench::new(quick(), &[], Some(Rc::clone(&gate)));
        let mut ids = Vec::new();
        for body in 0..20 {
            ids.push(bench.accept(&body.to_string()).await.id());
        }
        // Four run, and none ends.
        while bench.invoke.began.borrow().len() < 4 {
            tokio::task::yield_now().await;
        }
        let folder = bench.crash().await;
        let mut bench = Bench::on(folder, quick(), &[], None);
        let mut ran = Vec::new();
        for _ in 0..20 {
            let run = bench.over().await;
            assert_eq!(run.fate, Disposition::Done);
            ran.push(run.head.id);
        }
        ran.sort();
        assert_eq!(ran, ids);
    })
    .await;
}

#[tokio::test]
async fn running_jobs_are_limited_to_the_admissible_number() {
    local(async {
        let gate = Rc::new(Notify::new());
        let mut bench = Bench::new(quick(), &[], Some(Rc::clone(&gate)));
        for body in 0..10 {
            bench.accept(&body.to_string()).await;
        }
        while bench.invoke.began.borrow().len() < 4 {
            tokio::task::yield_now().await;
        }
        let counts = bench.queue.view().functions["work"];
        assert_eq!((counts.running, counts.ready), (4, 6));
        for over in 0..10 {
            gate.notify_one();
            bench.over().await;
            assert!(bench.invoke.began.borrow().len() <= over + 5);
        }
    })
    .await;
}

#[tokio::test]
async fn draining_the_queue_waits_for_running_jobs_and_starts_no_more() {
    local(async {
        let gate = Rc::new(Notify::new());
        let mut bench = Bench::new(quick(), &[], Some(Rc::clone(&gate)));
        for body in 0..10 {
            bench.accept(&body.to_string()).await;
        }
        while bench.invoke.began.borrow().len() < 4 {
            tokio::task::yield_now().await;
        }
        let mut draining = Box::pin(bench.queue.drain());
        assert!(futures_util::poll!(&mut draining).is_pending());
        for _ in 0..4 {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
        draining.await;
        assert_eq!(bench.invoke.began.borrow().len(), 4);
        for _ in 0..4 {
            assert_eq!(bench.runs.try_recv().unwrap().fate, Disposition::Done);
        }
        let left = bench.queue.list(Selection::default()).await.unwrap();
        assert_eq!(left.len(), 6, "the others wait for the next time");
    })
    .await;
}

#[tokio::test]
async fn the_queue_file_is_locked_by_one_process_and_can_be_changed_offline_afterwards() {
    local(async {
        let gate = Rc::new(Notify::new());
        let bench = Bench::new(quick(), &[], Some(gate));
        let id = bench.accept("a").await.id();
        let taken = Offline::open(bench.folder.path(), Clock::system());
        assert!(matches!(taken, Err(QueueStoreError::Taken(_))));
        let Bench { queue, invoke, .. } = {
            let folder = bench.crash().await;
            let offline = Offline::open(folder.path(), Clock::system()).unwrap();
            let all = offline.list(&Selection::default()).unwrap();
            assert_eq!(all.iter().map(|one| one.job.id).collect::<Vec<_>>(), [id]);
            let whole = offline.show(id).unwrap().unwrap();
            assert_eq!(whole.body, "a");
            assert_eq!(offline.show(JobId(7)).unwrap().map(|job| job.head.id), None);
            assert_eq!(offline.purge(&Selection::default()).unwrap(), 1);
            drop(offline);
            Bench::on(folder, quick(), &[], None)
        };
        assert!(queue.list(Selection::default()).await.unwrap().is_empty());
        assert!(invoke.began.borrow().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_job_of_a_removed_function_becomes_a_dead_letter_at_its_max_age() {
    local(async {
        let mut bench = Bench::new(quick(), &[], None);
        bench.invoke.gone.set(true);
        let waits = NewJob {
            max_age_ms: 60_000,
            ..job("waits")
        };
        bench.accept_job(waits).await;
        bench.now.fetch_add(30_000, Ordering::SeqCst);
        bench.accept("younger").await;
        assert_eq!(bench.queue.view().dead, 0);
        bench.now.fetch_add(6 * 3_600_000, Ordering::SeqCst);
        bench.accept("wakes it up").await;
        let run = bench.over().await;
        assert_eq!(run.fate, Disposition::Dead);
        let error = run.head.error.unwrap();
        assert!(
            error.contains("no function named `work`") && error.contains("max_age"),
            "{error}"
        );
        // The function comes back, and jobs that are young enough run.
        bench.invoke.gone.set(false);
        bench.accept("new").await;
        while bench.over().await.fate != Disposition::Done {}
    })
    .await;
}

#[tokio::test]
async fn jobs_are_handed_over_once_with_their_attempts_errors_and_keys() {
    local(async {
        let failing = vec![failed(); 9];
        let slow = AsyncPolicy {
            backoff: Duration::from_secs(3600),
            backoff_max: Duration::from_secs(3600),
            ..AsyncPolicy::default()
        };
        let gone = Bench::new(slow, &[("fails", failing)], None);
        gone.accept_job(keyed("fails", Some("o"), Some("k"))).await;
        gone.accept_job(NewJob {
            dead: Some("too large".to_owned()),
            ..job("dead")
        })
        .await;
        let once = async {
            while gone
                .queue
                .all()
                .await
                .unwrap()
                .iter()
                .all(|head| head.attempts == 0)
            {
                tokio::task::yield_now().await;
            }
        };
        once.await;
        gone.queue.drain().await;
        gone.accept("accepted while it drains").await;
        let heads = gone.queue.all().await.unwrap();
        let mut jobs = Vec::new();
        for head in &heads {
            jobs.push(gone.queue.show(head.id).await.unwrap().unwrap());
        }
        let mut stays = Bench::new(quick(), &[], None);
        // The answer was lost, so they are handed over again.
        for _ in 0..2 {
            let adopted = stays.queue.adopt(jobs.clone(), "n1").await.unwrap();
            assert_eq!(adopted.len(), 3);
        }
        gone.queue
            .forget(heads.iter().map(|head| head.id).collect())
            .await
            .unwrap();
        assert!(gone.queue.all().await.unwrap().is_empty());
        assert_eq!(stays.over().await.head.path, "/work");
        let all = stays.queue.all().await.unwrap();
        let failed = all.iter().find(|head| head.attempts == 1).unwrap();
        assert_eq!(failed.error.as_deref(), Some("no luck"));
        let failed = Selection {
            ids: vec![failed.id],
            ..Selection::default()
        };
        Rc::clone(&stays.queue).retry(failed).await.unwrap();
        stays.over().await;
        let mut began = stays.invoke.began.borrow().clone();
        began.sort();
        assert_eq!(began, ["accepted while it drains", "fails"]);
        let left = stays.queue.all().await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].error.as_deref(), Some("too large"));
        // A client's key is known where the job is now.
        let again = stays.accept_job(keyed("fails", Some("o"), Some("k"))).await;
        assert!(matches!(again, Accepted::Known(_)));
    })
    .await;
}

/// Five seconds between runs.
fn slow() -> AsyncPolicy {
    AsyncPolicy {
        backoff: Duration::from_secs(5),
        backoff_max: Duration::from_secs(5),
        ..AsyncPolicy::default()
    }
}

#[tokio::test]
async fn setting_the_clock_does_not_change_when_jobs_run_and_is_reported() {
    const DAY: i64 = 24 * 3_600_000;
    LocalSet::new()
        .run_until(async {
            for (set, way) in [(-DAY, "back"), (DAY, "forward"), (-10_000, "back")] {
                let folder = tempfile::tempdir().unwrap();
                let script = [("a", vec![failed()])];
                let mut bench = Bench::that_warns(folder, slow(), &script, None, true);
                bench
                    .now
                    .fetch_add(10 * DAY.unsigned_abs(), Ordering::SeqCst);
                bench.accept("a").await;
                let first = bench.runs.recv().await.unwrap();
                assert!(matches!(first.fate, Disposition::Again(_)), "{first:?}");
                bench.set.store(set, Ordering::SeqCst);
                // Another job has the queue look again, as after some seconds; the first is neither
                // due nor too old.
                bench.accept("b").await;
                assert_eq!(bench.over().await.head.path, "/work");
                assert_eq!(*bench.invoke.began.borrow(), ["a", "b"]);
                bench.now.fetch_add(5_000, Ordering::SeqCst);
                bench.accept("c").await;
                let (one, other) = (bench.over().await, bench.over().await);
                assert!(
                    [one.fate, other.fate]
                        .iter()
                        .all(|fate| *fate == Disposition::Done)
                );
                assert_eq!(
                    bench
                        .invoke
                        .began
                        .borrow()
                        .iter()
                        .filter(|one| *one == "a")
                        .count(),
                    2
                );
                let told = bench.invoke.told.as_ref().unwrap().borrow().join("\n");
                let seconds = set.unsigned_abs() / 1000;
                assert!(
                    told.contains(&format!("the clock was set {seconds} s {way}")),
                    "{told}"
                );
                assert_eq!(told.lines().count(), 1, "{told}");
            }
        })
        .await;
}

#[tokio::test]
async fn a_clock_set_back_before_a_restart_delays_no_job() {
    LocalSet::new()
        .run_until(async {
            let mut bench = Bench::new(slow(), &[("a", vec![failed()])], None);
            // Two hours later than the run after it begins.
            bench.now.fetch_add(2 * 3_600_000, Ordering::SeqCst);
            bench.accept("a").await;
            let first = bench.runs.recv().await.unwrap();
            assert!(matches!(first.fate, Disposition::Again(_)), "{first:?}");
            let folder = bench.crash().await;
            let mut bench = Bench::on(folder, slow(), &[], None);
            bench.now.fetch_add(5_000, Ordering::SeqCst);
            bench.accept("b").await;
            let (one, other) = (bench.over().await, bench.over().await);
            assert_eq!([one.fate, other.fate], [Disposition::Done; 2]);
            // With no job that waits, the time of day is taken as it is.
            let folder = bench.crash().await;
            let bench = Bench::on(folder, slow(), &[], None);
            let Accepted::New(head) = bench.accept("c").await else {
                panic!("it is new");
            };
            assert!(head.accepted_ms < 1_100_000, "{}", head.accepted_ms);
        })
        .await;
}
