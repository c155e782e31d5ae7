//! Sends requests when they are due, whether or not earlier ones were answered.
//!
//! Each worker keeps the time of its share of the requests itself: a thread for it would have to
//! wake another one for every request. Latencies count from the moment a request was due, so that
//! a request which could not be sent in time, because the target stalled or the generator did, is
//! not made to look quick (coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::connect::Connector;
use crate::error::LoadTestError;
use crate::profile::{ArrivalSchedule, Segment};
use crate::recorder::{SampleRecorder, Window, coarse};
use crate::scenario::LoadScenario;
use crate::worker::{DueRequest, Worker, WorkerOrder, WorkerShare, WorkersShared};

/// The same requests in the same order in every run of a scenario.
const SEED: u64 = 0x6c6f_6164;

/// The settings of a generator.
pub struct GeneratorSettings {
    /// Where load goes.
    pub connector: Connector,
    /// The scenario.
    pub scenario: Arc<LoadScenario>,
    /// The maximum number of connections.
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
    shared: Arc<WorkersShared>,
    workers: Vec<Worker>,
}

/// Schedules that are followed; over when nothing more is sent.
pub struct Followed(mpsc::Receiver<()>);

impl Followed {
    /// Waits for the last request to be sent, or for [`Generator::stop`].
    pub async fn over(&mut self) {
        // Nothing is ever sent: each worker drops its end when its share is over.
        let _none = self.0.recv().await;
    }
}

/// How many requests a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunTotals {
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were due and that no worker had room for.
    pub dropped: u64,
    /// Requests that were sent and have no sample.
    pub unanswered: u64,
}

/// The choice of the next step.
struct Picker {
    scenario: Arc<LoadScenario>,
    weights: u64,
    rng: SmallRng,
}

impl Picker {
    fn new(scenario: Arc<LoadScenario>) -> Self {
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
    /// [`LoadTestError::Thread`] when the system gives no threads.
    pub fn start(settings: &GeneratorSettings) -> Result<Self, LoadTestError> {
        let count = settings.workers.max(1);
        let shared = Arc::new(WorkersShared {
            began: Instant::now(),
            connector: settings.connector.clone(),
            scenario: Arc::clone(&settings.scenario),
            connections: settings.connections.div_ceil(count),
            timeout: settings.timeout,
            sent: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            quiet: Notify::new(),
            stopped: CancellationToken::new(),
        });
        let workers: Result<Vec<_>, _> = (0..count)
            .map(|_| Worker::start(Arc::clone(&shared), SampleRecorder::new(settings.width)))
            .collect();
        Ok(Self {
            shared,
            workers: workers.map_err(LoadTestError::Thread)?,
        })
    }

    /// When the run began.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.shared.began
    }

    /// Requests sent, or due and waiting for a connection.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Acquire)
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
    pub fn burst(&self, step: usize, count: u64) {
        let at = self.shared.began.elapsed();
        let first = self.sent();
        self.shared.due(count);
        for (number, worker) in (1..).zip(&self.workers) {
            let numbers = (number..=count).step_by(self.workers.len());
            let arrivals = numbers.map(|number| DueRequest {
                at,
                step,
                seq: first + number,
            });
            worker.order(WorkerOrder::Now(arrivals.collect()));
        }
    }

    /// Begins to send by a schedule, and goes on until it ends or [`Self::stop`].
    #[must_use]
    pub fn follow(&self, segments: &[Segment]) -> Followed {
        let from = self.shared.began.elapsed();
        let (over, followed) = mpsc::channel(1);
        for (number, worker) in self.workers.iter().enumerate() {
            let mut pick = Picker::new(Arc::clone(&self.shared.scenario));
            // Every worker counts and picks them all, so that requests are the same however many
            // workers there are.
            let arrivals = (1..)
                .zip(ArrivalSchedule::new(segments))
                .map(move |(seq, at)| DueRequest {
                    at: from + at,
                    step: pick.next(),
                    seq,
                });
            let share = arrivals.skip(number).step_by(self.workers.len());
            worker.order(WorkerOrder::Follow(WorkerShare {
                arrivals: Box::new(share),
                over: over.clone(),
            }));
        }
        Followed(followed)
    }

    /// Sends no more.
    pub fn stop(&self) {
        self.shared.stopped.cancel();
    }

    /// Returns whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.is_cancelled()
    }

    /// Waits until every request sent was answered or given up.
    pub async fn quiet(&self) {
        while self.under_way() > 0 {
            // Another worker's last request may ring before ours is counted: look again.
            let rung = self.shared.quiet.notified();
            let _looked = tokio::time::timeout(Duration::from_millis(50), rung).await;
        }
    }

    /// Returns the results since the last call.
    #[must_use]
    pub fn window(&self) -> Window {
        let mut all = Window {
            latency: coarse(),
            errors: 0,
        };
        for worker in &self.workers {
            let window = worker.recorded().take_window();
            let _infallible = all.latency.add(&window.latency);
            all.errors += window.errors;
        }
        all
    }

    /// Returns every sample, and the totals that belong to exactly these samples.
    ///
    /// A request that ends while the workers' samples are collected is either a sample or
    /// unanswered, never both.
    #[must_use]
    pub fn finish(self) -> (SampleRecorder, RunTotals) {
        let width = self.workers[0].recorded().width;
        let mut all = SampleRecorder::new(width);
        for worker in &self.workers {
            let gathered = std::mem::replace(&mut *worker.recorded(), SampleRecorder::new(width));
            all.merge(gathered);
        }
        let sent = self.sent();
        let totals = RunTotals {
            sent,
            dropped: self.dropped(),
            unanswered: sent.saturating_sub(all.samples()),
        };
        (all, totals)
    }
}
