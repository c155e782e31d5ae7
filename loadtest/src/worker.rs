//! A thread that sends requests and reads their answers.
//!
//! A worker gets requests to send now, or its share of a schedule, whose time it keeps. A due
//! request takes an idle connection, the one used last; else a new one; else, at the maximum number
//! of connections, it waits for one, and that wait counts as the generator's lag.

mod response;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use response::{RequestResult, read};

use crate::clock::SleepClock;
use crate::connect::{Connector, LoadConnection};
use crate::recorder::SampleRecorder;
use crate::sample::{NoAnswer, Sample, SampleKind};
use crate::scenario::{LoadScenario, ScenarioStep};
use crate::template::Values;

/// A request that is due.
#[derive(Clone, Copy, Debug)]
pub struct DueRequest {
    /// When it was to be sent, from the beginning of the run.
    pub at: Duration,
    /// The step of the scenario.
    pub step: usize,
    /// Its number, from 1.
    pub seq: u64,
}

/// An order for a worker.
pub enum WorkerOrder {
    /// Send these.
    Now(Vec<DueRequest>),
    /// Send these when they are due.
    Follow(WorkerShare),
}

/// A worker's share of a schedule.
pub struct WorkerShare {
    /// The due requests, in order.
    pub arrivals: Box<dyn Iterator<Item = DueRequest> + Send>,
    /// Dropped when the last of it was sent.
    pub over: mpsc::Sender<()>,
}

/// The shared state of workers.
pub struct WorkersShared {
    /// The run's beginning.
    pub began: Instant,
    /// Where load goes.
    pub connector: Connector,
    /// The scenario.
    pub scenario: Arc<LoadScenario>,
    /// The maximum number of connections of one worker.
    pub connections: usize,
    /// Time a request may take.
    pub timeout: Duration,
    /// Requests sent, or due and waiting for a connection.
    pub sent: AtomicU64,
    /// Requests under way.
    pub under_way: AtomicU64,
    /// Requests that were due and that there was no room for.
    pub dropped: AtomicU64,
    /// Rung when the last of them ends.
    pub quiet: Notify,
    /// Nothing more is sent of schedules.
    pub stopped: CancellationToken,
}

impl WorkersShared {
    /// Counts due requests.
    pub fn due(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::AcqRel);
        self.under_way.fetch_add(count, Ordering::AcqRel);
    }

    /// A request that is due cannot be sent.
    fn drop_one(&self) {
        self.sent.fetch_sub(1, Ordering::AcqRel);
        self.dropped.fetch_add(1, Ordering::AcqRel);
        self.ended();
    }

    /// A request is not under way any more.
    fn ended(&self) {
        if self.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.quiet.notify_one();
        }
    }
}

/// A request that is under way until this is dropped, by a panic too.
struct Ended<'a>(&'a WorkersShared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// A worker as others see it.
pub struct Worker {
    orders: mpsc::Sender<WorkerOrder>,
    recorder: Arc<Mutex<SampleRecorder>>,
}

/// Requests that may wait for a connection of a worker: a target that serves so few of them is
/// not one whose latency anybody asks for.
const WAITING: usize = 1 << 20;
/// Orders that may wait for a worker: whoever gives one waits for its end before the next.
const ORDERS: usize = 8;
/// Requests that are late already and are sent before answers are looked at again.
const LONGEST: usize = 32;

impl Worker {
    /// Starts one. The worker ends when its sender is dropped; requests under way end with it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(shared: Arc<WorkersShared>, recorder: SampleRecorder) -> std::io::Result<Self> {
        let (orders, given) = mpsc::channel(ORDERS);
        let recorder = Arc::new(Mutex::new(recorder));
        let gathered = Arc::clone(&recorder);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let clock = {
            let _here = runtime.enter();
            SleepClock::new()?
        };
        std::thread::Builder::new()
            .name("load".into())
            .spawn(move || {
                let sender = Rc::new(RequestSender::new(shared, gathered, clock));
                tokio::task::LocalSet::new().block_on(&runtime, sender.run(given));
            })?;
        Ok(Self { orders, recorder })
    }

    /// Has it do something.
    ///
    /// # Panics
    /// When it is given many orders before it could begin with the first.
    pub fn order(&self, order: WorkerOrder) {
        let given = self.orders.try_send(order);
        assert!(given.is_ok(), "one order follows the other's end");
    }

    /// Returns the results so far.
    pub fn recorded(&self) -> MutexGuard<'_, SampleRecorder> {
        lock(&self.recorder)
    }
}

/// A worker that panicked has told why; what it gathered is still good.
fn lock(recorder: &Mutex<SampleRecorder>) -> MutexGuard<'_, SampleRecorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

struct RequestSender {
    shared: Arc<WorkersShared>,
    recorder: Arc<Mutex<SampleRecorder>>,
    clock: SleepClock,
    host: HeaderValue,
    /// Of each step, where all its requests have the same.
    uris: Vec<Option<Uri>>,
    idle: RefCell<Vec<LoadConnection>>,
    waiting: RefCell<VecDeque<DueRequest>>,
    open: Cell<usize>,
}

impl RequestSender {
    fn new(
        shared: Arc<WorkersShared>,
        recorder: Arc<Mutex<SampleRecorder>>,
        clock: SleepClock,
    ) -> Self {
        let host = HeaderValue::from_str(&shared.connector.target().authority());
        Self {
            uris: uris(&shared),
            host: host.unwrap_or_else(|_| HeaderValue::from_static("localhost")),
            shared,
            recorder,
            clock,
            idle: RefCell::default(),
            waiting: RefCell::default(),
            open: Cell::new(0),
        }
    }

    async fn run(self: Rc<Self>, mut orders: mpsc::Receiver<WorkerOrder>) {
        while let Some(order) = orders.recv().await {
            match order {
                WorkerOrder::Now(arrivals) => {
                    for arrival in arrivals {
                        self.take_in(arrival);
                    }
                }
                WorkerOrder::Follow(share) => {
                    let stopped = self.shared.stopped.clone();
                    let _whole = stopped.run_until_cancelled(self.follow(share)).await;
                }
            }
        }
    }

    async fn follow(self: &Rc<Self>, share: WorkerShare) {
        let WorkerShare { arrivals, over } = share;
        let mut late = 0;
        for arrival in arrivals {
            let due = self.shared.began + arrival.at;
            if due > Instant::now() {
                self.clock.until(due).await;
                late = 0;
            } else if late == LONGEST {
                tokio::task::yield_now().await;
                late = 0;
            }
            late += 1;
            self.shared.due(1);
            self.take_in(arrival);
        }
        drop(over);
    }

    fn take_in(self: &Rc<Self>, arrival: DueRequest) {
        let idle = self.idle.borrow_mut().pop();
        if idle.is_none() {
            if self.open.get() >= self.shared.connections {
                let mut waiting = self.waiting.borrow_mut();
                if waiting.len() < WAITING {
                    waiting.push_back(arrival);
                } else {
                    self.shared.drop_one();
                }
                return;
            }
            self.open.set(self.open.get() + 1);
        }
        tokio::task::spawn_local(Rc::clone(self).serve(idle, arrival));
    }

    /// Sends a request, and then whatever waits for a connection.
    async fn serve(
        self: Rc<Self>,
        mut connection: Option<LoadConnection>,
        mut arrival: DueRequest,
    ) {
        loop {
            connection = self.request(connection, arrival).await;
            match self.waiting.borrow_mut().pop_front() {
                Some(next) => arrival = next,
                None => break,
            }
        }
        match connection {
            Some(connection) => self.idle.borrow_mut().push(connection),
            None => self.open.set(self.open.get() - 1),
        }
    }

    /// Gives the connection back if it is good for another request.
    async fn request(
        &self,
        connection: Option<LoadConnection>,
        arrival: DueRequest,
    ) -> Option<LoadConnection> {
        let Some(step) = self.shared.scenario.steps.get(arrival.step) else {
            return connection;
        };
        let _ended = Ended(&self.shared);
        let lag = self.shared.began.elapsed().saturating_sub(arrival.at);
        let exchange = self.exchange(connection, arrival, step);
        let outcome = tokio::time::timeout(self.shared.timeout, exchange).await;
        let (connection, outcome) = match outcome {
            Ok(Ok((connection, answer))) => (Some(connection), Ok(answer)),
            Ok(Err(failure)) => (None, Err(failure)),
            Err(_elapsed) => (None, Err(NoAnswer::Timeout)),
        };
        let latency = self.shared.began.elapsed().saturating_sub(arrival.at);
        let failure = outcome.as_ref().err().copied();
        let answer = outcome.unwrap_or(RequestResult {
            status: 0,
            kind: SampleKind::Failed,
            error: true,
            phases: None,
        });
        lock(&self.recorder).add(&Sample {
            step: arrival.step,
            at: arrival.at,
            lag,
            latency,
            kind: answer.kind,
            status: answer.status,
            failure,
            error: answer.error,
            phases: answer.phases,
        });
        connection
    }

    async fn exchange(
        &self,
        connection: Option<LoadConnection>,
        arrival: DueRequest,
        step: &ScenarioStep,
    ) -> Result<(LoadConnection, RequestResult), NoAnswer> {
        let mut request = self.fill(arrival, step);
        let mut connection = connection.filter(|idle| !idle.is_closed());
        loop {
            let (mut open, was_idle) = match connection.take() {
                Some(open) => (open, true),
                None => {
                    // Apart: it is large, and each request's future would be moved with it.
                    let made = Box::pin(self.shared.connector.connect()).await;
                    (made.map_err(|_| NoAnswer::Connect)?, false)
                }
            };
            if open.ready().await.is_err() {
                continue;
            }
            match open.try_send_request(request).await {
                Ok(response) => {
                    let answer = read(response, step).await?;
                    return Ok((open, answer));
                }
                // An idle connection was closed in this very moment: nothing was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    // The connection may have been closed as idle while the request was on its way.
                    None if was_idle && step.method.is_safe() && !error.error().is_parse() => {
                        lock(&self.recorder).retried += 1;
                        request = self.fill(arrival, step);
                    }
                    None => return Err(NoAnswer::Broke),
                },
            }
        }
    }

    fn fill(&self, arrival: DueRequest, step: &ScenarioStep) -> Request<Full<Bytes>> {
        let (seq, user) = (arrival.seq, arrival.seq);
        let filled = step.fill(Values { seq, user });
        let mut request = Request::new(Full::new(filled.body));
        *request.method_mut() = step.method.clone();
        let uri = self.uris[arrival.step].clone();
        *request.uri_mut() = uri.unwrap_or_else(|| uri_of(&self.shared, &filled.path));
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.extend(filled.headers);
        request
    }
}

/// The URIs of steps whose path is the same in every request: reading one takes longer than a copy.
fn uris(shared: &WorkersShared) -> Vec<Option<Uri>> {
    let steps = shared.scenario.steps.iter();
    steps
        .map(|step| step.path.fixed().map(|path| uri_of(shared, path)))
        .collect()
}

/// Paths were checked with their placeholders; a filled one may still be odd.
fn uri_of(shared: &WorkersShared, path: &str) -> Uri {
    let prefix = &shared.connector.target().prefix;
    format!("{prefix}{path}").parse().unwrap_or_default()
}
