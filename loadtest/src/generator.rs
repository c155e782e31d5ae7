//! Sends requests when they are due, whether or not earlier ones were answered.
//!
//! A thread of its own keeps the time, since an async runtime's timers round to milliseconds: it
//! sleeps until the next request is due and hands what is due to the workers. Latencies count from
//! the moment a request was due, so that a request which could not be sent in time, because the
//! target stalled or the generator did, is not made to look quick (coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use crate::connect::Connector;
use crate::error::LoadError;
use crate::profile::{Schedule, Segment};
use crate::recorder::{Recorder, Window, coarse};
use crate::scenario::Scenario;
use crate::worker::{Arrival, Shared, Worker};

/// Shortest sleep of the time keeper: waking costs more than what is gained below.
const SHORTEST: Duration = Duration::from_micros(100);
/// Requests handed to a worker at once at the most.
const LONGEST: usize = 128;
/// The same requests in the same order in every run of a scenario.
const SEED: u64 = 0x6c6f_6164;

/// What a generator is made with.
pub struct Settings {
    /// Where load goes.
    pub connector: Connector,
    /// What is sent.
    pub scenario: Arc<Scenario>,
    /// Connections at the most.
    pub connections: usize,
    /// Time a request may take.
    pub timeout: Duration,
    /// Width of the report's intervals.
    pub width: Duration,
    /// Threads that send.
    pub workers: usize,
}

/// Threads that send requests.
pub struct Generator {
    shared: Arc<Shared>,
    workers: Arc<[Worker]>,
    pick: Picker,
    stopped: Arc<AtomicBool>,
    /// Requests handed to workers.
    sent: Arc<AtomicU64>,
}

/// Which step comes next.
struct Picker {
    scenario: Arc<Scenario>,
    weights: u64,
    rng: SmallRng,
}

impl Picker {
    fn new(scenario: Arc<Scenario>) -> Self {
        Self {
            weights: scenario.weights().max(1),
            scenario,
            rng: SmallRng::seed_from_u64(SEED),
        }
    }

    fn next(&mut self) -> usize {
        if self.scenario.steps.len() == 1 {
            return 0;
        }
        self.scenario.pick(self.rng.random_range(0..self.weights))
    }
}

impl Generator {
    /// Starts the workers; the run begins now.
    ///
    /// # Errors
    /// [`LoadError::Thread`] when the system gives no threads.
    pub fn start(settings: &Settings) -> Result<Self, LoadError> {
        let count = settings.workers.max(1);
        let shared = Arc::new(Shared {
            began: Instant::now(),
            connector: settings.connector.clone(),
            scenario: Arc::clone(&settings.scenario),
            connections: settings.connections.div_ceil(count),
            timeout: settings.timeout,
            under_way: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            quiet: Notify::new(),
        });
        let workers: Result<Vec<_>, _> = (0..count)
            .map(|_| Worker::start(Arc::clone(&shared), Recorder::new(settings.width)))
            .collect();
        Ok(Self {
            shared,
            workers: workers.map_err(LoadError::Thread)?.into(),
            pick: Picker::new(Arc::clone(&settings.scenario)),
            stopped: Arc::default(),
            sent: Arc::default(),
        })
    }

    /// When the run began.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.shared.began
    }

    /// Requests sent, or due and handed to a worker.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Requests that were due and that no worker had room for.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Acquire)
    }

    /// Requests that are not answered yet.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.shared.under_way.load(Ordering::Acquire)
    }

    /// Sends requests of one step now, all at once.
    pub fn burst(&mut self, step: usize, count: u64) {
        let at = self.shared.began.elapsed();
        let first = self.sent();
        for number in 1..=count {
            let arrival = Arrival {
                at,
                step,
                seq: first + number,
            };
            let worker = (number % self.workers.len() as u64) as usize;
            self.hand(worker, vec![arrival]);
        }
    }

    fn hand(&self, worker: usize, batch: Vec<Arrival>) {
        hand(&self.shared, &self.workers[worker], batch, &self.sent);
    }

    /// Keeps sending by a schedule on a thread of its own, until it ends or [`Self::stop`].
    ///
    /// # Errors
    /// [`LoadError::Thread`].
    pub fn follow(&mut self, segments: &[Segment]) -> Result<JoinHandle<()>, LoadError> {
        let schedule = Schedule::new(segments);
        let keeper = Keeper {
            shared: Arc::clone(&self.shared),
            workers: Arc::clone(&self.workers),
            pick: Picker::new(Arc::clone(&self.pick.scenario)),
            stopped: Arc::clone(&self.stopped),
            sent: Arc::clone(&self.sent),
            from: self.shared.began.elapsed(),
        };
        std::thread::Builder::new()
            .name("pace".into())
            .spawn(move || keeper.run(schedule))
            .map_err(LoadError::Thread)
    }

    /// Sends no more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Waits until every request sent was answered or given up.
    pub async fn quiet(&self) {
        while self.under_way() > 0 {
            // Another worker's last request may ring before ours is counted: look again.
            let rung = self.shared.quiet.notified();
            let _looked = tokio::time::timeout(Duration::from_millis(50), rung).await;
        }
    }

    /// What came since this was last asked.
    #[must_use]
    pub fn window(&self) -> Window {
        let mut all = Window {
            latency: coarse(),
            errors: 0,
        };
        for worker in &*self.workers {
            let window = worker.recorded().take_window();
            let _infallible = all.latency.add(&window.latency);
            all.errors += window.errors;
        }
        all
    }

    /// All that was gathered. What is still under way is not in it.
    #[must_use]
    pub fn finish(self) -> Recorder {
        let width = self.workers[0].recorded().width;
        let mut all = Recorder::new(width);
        for worker in &*self.workers {
            let gathered = std::mem::replace(&mut *worker.recorded(), Recorder::new(width));
            all.merge(gathered);
        }
        all
    }
}

fn hand(shared: &Shared, worker: &Worker, batch: Vec<Arrival>, sent: &AtomicU64) {
    let count = batch.len() as u64;
    shared.under_way.fetch_add(count, Ordering::AcqRel);
    if worker.due.try_send(batch).is_ok() {
        sent.fetch_add(count, Ordering::AcqRel);
    } else {
        shared.under_way.fetch_sub(count, Ordering::AcqRel);
        shared.dropped.fetch_add(count, Ordering::AcqRel);
    }
}

/// The thread that keeps the time.
struct Keeper {
    shared: Arc<Shared>,
    workers: Arc<[Worker]>,
    pick: Picker,
    stopped: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    from: Duration,
}

impl Keeper {
    fn run(mut self, schedule: Schedule) {
        let mut batches: Vec<Vec<Arrival>> = vec![Vec::new(); self.workers.len()];
        let mut seq = self.sent.load(Ordering::Acquire);
        for at in schedule {
            let at = self.from + at;
            let now = self.shared.began.elapsed();
            if at > now {
                self.flush(&mut batches);
                self.sleep((at - now).max(SHORTEST));
            }
            if self.stopped.load(Ordering::Acquire) {
                break;
            }
            seq += 1;
            let worker = (seq % self.workers.len() as u64) as usize;
            batches[worker].push(Arrival {
                at,
                step: self.pick.next(),
                seq,
            });
            // Late already: what is due must not wait for a pause that does not come.
            if batches[worker].len() >= LONGEST {
                self.flush(&mut batches);
            }
        }
        self.flush(&mut batches);
    }

    /// Looks up now and then, so that a stopped run with a slow rate ends soon.
    fn sleep(&self, span: Duration) {
        let until = Instant::now() + span;
        while !self.stopped.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    fn flush(&self, batches: &mut [Vec<Arrival>]) {
        for (worker, batch) in self.workers.iter().zip(batches) {
            if !batch.is_empty() {
                let batch = std::mem::take(batch);
                hand(&self.shared, worker, batch, &self.sent);
            }
        }
    }
}
