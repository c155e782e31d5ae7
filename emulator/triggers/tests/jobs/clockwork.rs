//! Schedules into a queue, by a clock that is set.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fnlocal_core::trigger::{AsyncPolicy, Missed, ScheduleSpec};
use fnlocal_triggers::clock::Clock;
use fnlocal_triggers::job_queue::{JobQueue, NewJobs};
use fnlocal_triggers::queue::{Queue, Selection};
use fnlocal_triggers::schedule::Schedule;
use fnlocal_triggers::scheduler::{Clockwork, Owned};
use tokio::task::LocalSet;

const HOUR: u64 = 3_600_000;
/// A full hour.
const NOON: u64 = 1_767_268_800_000;

struct Bench {
    queue: Rc<Queue>,
    now: Arc<AtomicU64>,
    told: Rc<RefCell<Vec<String>>>,
}

impl Bench {
    fn open(folder: &std::path::Path, at: u64) -> Self {
        let now = Arc::new(AtomicU64::new(at));
        let read = Arc::clone(&now);
        let clock = Clock::new(move || read.load(Ordering::SeqCst));
        let (queue, _writer) = Queue::open(folder, clock).unwrap();
        Self {
            queue,
            now,
            told: Rc::default(),
        }
    }

    /// Returns a scheduler beside others of the same queue.
    fn clockwork(&self, missed: Missed, overlap: bool, owns: bool) -> Rc<Clockwork> {
        let told = Rc::clone(&self.told);
        let tell = move |_, text| told.borrow_mut().push(text);
        let clockwork = Clockwork::new(
            Rc::clone(&self.queue),
            move |_| owns.then_some(Owned { since: None }),
            tell,
        );
        clockwork.set(vec![wanted(missed, overlap)]);
        clockwork
    }

    /// Lets a scheduler look once more, now.
    async fn look(&self, clockwork: &Rc<Clockwork>, missed: Missed, overlap: bool) {
        clockwork.set(vec![wanted(missed, overlap)]);
        // Looks go through the queue's thread, which answers in order: three answers are enough
        // for a note to be read and jobs to be accepted.
        for _ in 0..50 {
            tokio::task::yield_now().await;
            let _answered = Rc::clone(&self.queue)
                .enqueue(NewJobs::default())
                .await
                .unwrap();
        }
    }

    /// Returns a scheduler that owns its schedules while `owns` says so.
    fn owning(&self, owns: &Rc<Cell<Option<Owned>>>) -> Rc<Clockwork> {
        let (owns, told) = (Rc::clone(owns), Rc::clone(&self.told));
        let tell = move |_, text| told.borrow_mut().push(text);
        let clockwork = Clockwork::new(Rc::clone(&self.queue), move |_| owns.get(), tell);
        clockwork.set(vec![wanted(Missed::Skip, true)]);
        tokio::task::spawn_local(Rc::clone(&clockwork).run());
        clockwork
    }

    async fn due(&self) -> Vec<String> {
        let jobs = self.queue.list(Selection::default()).await.unwrap();
        jobs.into_iter().filter_map(|one| one.job.key).collect()
    }
}

fn wanted(missed: Missed, overlap: bool) -> (String, Schedule, AsyncPolicy) {
    let spec = ScheduleSpec {
        missed,
        overlap,
        ..ScheduleSpec::cron("0 * * * *")
    };
    let schedule = Schedule::new(&spec).unwrap();
    ("job".to_owned(), schedule, AsyncPolicy::default())
}

fn key(at: u64) -> String {
    format!("schedule {at}")
}

#[tokio::test]
async fn a_due_time_creates_one_job_and_only_the_owner_fires_it() {
    let test = async {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::open(folder.path(), NOON - 1000);
        let nodes = [
            bench.clockwork(Missed::Skip, true, true),
            bench.clockwork(Missed::Skip, true, true),
            bench.clockwork(Missed::Skip, true, false),
        ];
        for node in &nodes {
            tokio::task::spawn_local(Rc::clone(node).run());
            bench.look(node, Missed::Skip, true).await;
        }
        assert!(bench.due().await.is_empty());
        bench.now.store(NOON, Ordering::SeqCst);
        for node in &nodes {
            bench.look(node, Missed::Skip, true).await;
        }
        assert_eq!(bench.due().await, [key(NOON)]);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_schedule_fires_no_run_twice_after_the_clock_is_set_back_and_reports_it() {
    let test = async {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::open(folder.path(), NOON - 1000);
        let clockwork = bench.clockwork(Missed::Skip, true, true);
        tokio::task::spawn_local(Rc::clone(&clockwork).run());
        bench.look(&clockwork, Missed::Skip, true).await;
        for at in [NOON, NOON - 1000, NOON, NOON + HOUR] {
            bench.now.store(at, Ordering::SeqCst);
            bench.look(&clockwork, Missed::Skip, true).await;
        }
        assert_eq!(bench.due().await, [key(NOON), key(NOON + HOUR)]);
        assert!(
            bench
                .told
                .borrow()
                .iter()
                .any(|text| text.contains("the clock was set"))
        );
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn runs_missed_while_stopped_are_handled_as_the_schedule_configures() {
    for (missed, expected) in [(Missed::Skip, 0), (Missed::Once, 1), (Missed::All, 5)] {
        let test = async {
            let folder = tempfile::tempdir().unwrap();
            {
                let bench = Bench::open(folder.path(), NOON + 1000);
                let clockwork = bench.clockwork(missed, true, true);
                let task = tokio::task::spawn_local(Rc::clone(&clockwork).run());
                bench.look(&clockwork, missed, true).await;
                task.abort();
                let _aborted = task.await;
            }
            let bench = reopened(folder.path(), NOON + 5 * HOUR + 30 * 60_000).await;
            let clockwork = bench.clockwork(missed, true, true);
            tokio::task::spawn_local(Rc::clone(&clockwork).run());
            bench.look(&clockwork, missed, true).await;
            assert_eq!(bench.due().await.len(), expected, "{missed:?}");
        };
        LocalSet::new().run_until(test).await;
    }
}

/// The file is free once the thread that wrote it has ended.
async fn reopened(folder: &std::path::Path, at: u64) -> Bench {
    while fnlocal_triggers::store::QueueStore::open(folder).is_err() {
        tokio::task::yield_now().await;
    }
    Bench::open(folder, at)
}

#[tokio::test]
async fn a_schedule_without_overlap_skips_a_run_while_the_previous_one_runs() {
    let test = async {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::open(folder.path(), NOON - 1000);
        let clockwork = bench.clockwork(Missed::Skip, false, true);
        tokio::task::spawn_local(Rc::clone(&clockwork).run());
        bench.look(&clockwork, Missed::Skip, false).await;
        for at in [NOON, NOON + HOUR] {
            bench.now.store(at, Ordering::SeqCst);
            bench.look(&clockwork, Missed::Skip, false).await;
        }
        assert_eq!(bench.due().await, [key(NOON)]);
        assert!(
            bench
                .told
                .borrow()
                .iter()
                .any(|text| text.contains("left out"))
        );
        Rc::clone(&bench.queue)
            .purge(Selection::default())
            .await
            .unwrap();
        bench.now.store(NOON + 2 * HOUR, Ordering::SeqCst);
        bench.look(&clockwork, Missed::Skip, false).await;
        assert_eq!(bench.due().await, [key(NOON + 2 * HOUR)]);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_node_that_takes_over_a_schedule_continues_after_the_last_run() {
    let test = async {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (a, b) = (
            Bench::open(folders[0].path(), NOON - 1000),
            Bench::open(folders[1].path(), NOON - 1000),
        );
        let alone = Some(Owned { since: None });
        let (a_owns, b_owns) = (Rc::new(Cell::new(alone)), Rc::new(Cell::new(None)));
        let (first, second) = (a.owning(&a_owns), b.owning(&b_owns));
        let pass = async |at: u64| {
            for (bench, node) in [(&a, &first), (&b, &second)] {
                bench.now.store(at, Ordering::SeqCst);
                bench.look(node, Missed::Skip, true).await;
            }
        };
        let after = |other: &Clockwork| {
            let since = other.looked()["job"];
            Some(Owned { since })
        };
        pass(NOON - 1000).await;
        pass(NOON).await;
        // The first dies; nobody fires until that is noticed, half a minute after the next hour.
        a_owns.set(None);
        pass(NOON + HOUR + 30_000).await;
        b_owns.set(after(&first));
        pass(NOON + HOUR + 31_000).await;
        assert_eq!(a.due().await, [key(NOON)]);
        assert_eq!(b.due().await, [key(NOON + HOUR)], "late, and not lost");
        // The node comes back with an old note, and hears before it fires.
        b_owns.set(None);
        a_owns.set(after(&second));
        pass(NOON + HOUR + 40_000).await;
        assert_eq!(
            a.due().await,
            [key(NOON)],
            "what the other fired is not fired again"
        );
        assert_eq!(b.due().await, [key(NOON + HOUR)]);
    };
    LocalSet::new().run_until(test).await;
}
