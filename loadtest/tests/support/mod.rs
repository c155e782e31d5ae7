//! A backend whose truth is known, and runs against it.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![allow(dead_code, reason = "each test file uses what it needs of this")]

mod watched;

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fnlocal_loadtest::profile::{LoadShape, Segment};
use fnlocal_loadtest::report::Context;
use fnlocal_loadtest::scenario::{LoadScenario, ScenarioStep};
use fnlocal_loadtest::{
    CheckedTarget, Gathered, LoadKind, LoadPlan, LoadReport, LoadTestError, Target,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio_util::sync::CancellationToken;
use watched::{Took, Watched};

/// How a backend behaves.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Time to its answer.
    pub answer: Duration,
    /// The number of requests of which one is answered 500.
    pub error_every: Option<u64>,
    /// When it stands still, in seconds from its first request, and for how long each time.
    pub stalls: &'static [u64],
    pub stall: Duration,
}

impl Behaviour {
    /// When work on a request starts: at once, or when a stall ends. Only the work stands still, so
    /// that when requests arrived is known of all.
    fn starts(&self, began: Instant, arrived: Instant) -> Instant {
        let stalls = self
            .stalls
            .iter()
            .map(|at| began + Duration::from_secs(*at));
        let mut stalls = stalls.filter(|from| (*from..*from + self.stall).contains(&arrived));
        stalls.next().map_or(arrived, |from| from + self.stall)
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            answer: Duration::from_millis(20),
            error_every: None,
            stalls: &[],
            stall: Duration::ZERO,
        }
    }
}

/// A backend on a thread of its own.
pub struct Backend {
    pub url: String,
    served: Arc<AtomicU64>,
    took: Took,
}

impl Backend {
    pub fn start(behaviour: Behaviour) -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let served = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&served);
        let took = Took::default();
        let noted = Arc::clone(&took);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, behaviour, count, noted).await;
            });
        });
        Self {
            url: format!("http://{}", told.recv().unwrap()),
            served,
            took,
        }
    }

    /// Returns the real time of answers, seen at the sockets: the microseconds below which this
    /// share of the requests stayed.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut took = self.took.lock().unwrap().clone();
        took.sort_unstable();
        took[((took.len() as f64 * share).ceil() as usize).max(1) - 1] as f64
    }

    /// Requests it has answered.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Acquire)
    }
}

async fn serve(listener: TcpListener, behaviour: Behaviour, served: Arc<AtomicU64>, took: Took) {
    let began = Rc::new(Cell::new(None));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (began, served) = (Rc::clone(&began), Arc::clone(&served));
        let service = service_fn(move |request: Request<Incoming>| {
            // The backend is no fnlocal, and the load test checks whether it is one.
            let load = !request.uri().path().starts_with("/_fnlocal");
            let arrived = Instant::now();
            if load && began.get().is_none() {
                began.set(Some(arrived));
            }
            let starts = began
                .get()
                .map_or(arrived, |began| behaviour.starts(began, arrived));
            let number = served.fetch_add(u64::from(load), Ordering::AcqRel) + 1;
            async move {
                until(starts + behaviour.answer).await;
                let mut response = Response::new(Full::new(Bytes::from_static(b"{\"bids\":1}")));
                let fails = |every: u64| load && number.is_multiple_of(every);
                if behaviour.error_every.is_some_and(fails) {
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                }
                Ok::<_, Infallible>(response)
            }
        });
        let stream = Watched::new(stream, Arc::clone(&took));
        let builder = hyper::server::conn::http1::Builder::new();
        spawn_local(builder.serve_connection(TokioIo::new(stream), service));
    }
}

/// To some microseconds, where the runtime's timers round up to milliseconds.
async fn until(moment: Instant) {
    let wait = move || std::thread::sleep(moment.saturating_duration_since(Instant::now()));
    tokio::task::spawn_blocking(wait).await.unwrap();
}

/// The same rate all the time.
pub fn steady(rate: f64, length: Duration) -> Vec<Segment> {
    LoadShape::Steady.segments(rate, rate, length)
}

pub fn plan(load: LoadKind) -> LoadPlan {
    LoadPlan {
        scenario: LoadScenario {
            name: "known".into(),
            steps: vec![ScenarioStep::get("known")],
        },
        shape: LoadShape::Steady,
        load,
        connections: 1000,
        timeout: Duration::from_secs(20),
        goose_report: None,
    }
}

pub fn run(url: &str, plan: &LoadPlan) -> LoadReport {
    run_until(url, plan, CancellationToken::new()).0
}

pub fn run_until(url: &str, plan: &LoadPlan, stop: CancellationToken) -> (LoadReport, Gathered) {
    let target = Target::parse(url).unwrap();
    let gathered = alone(async {
        let checked = CheckedTarget::look(&target).await.unwrap();
        checked.covers(plan).unwrap();
        checked.run(plan, |_| {}, stop).await.unwrap()
    });
    let context = Context {
        target: &target,
        plan,
    };
    (LoadReport::new(&gathered, &context), gathered)
}

/// A run against a new backend, on a machine that lets it: where requests were sent late, somebody
/// else had the processor, and it is tried again.
pub fn run_in_peace(behaviour: Behaviour, plan: &LoadPlan) -> (LoadReport, Backend) {
    let mut tries = 0;
    loop {
        let backend = Backend::start(behaviour);
        let report = run(&backend.url, plan);
        assert_eq!(report.sent, backend.served());
        tries += 1;
        if report.lag.p99 < 2_000 || tries == 3 {
            return (report, backend);
        }
        println!("the machine was busy: sent late by {:?}", report.lag);
    }
}

pub fn look(url: &str) -> Result<(), LoadTestError> {
    let target = Target::parse(url)?;
    alone(async { CheckedTarget::look(&target).await.map(drop) })
}

/// One run at a time, on a runtime of its own: they would measure each other.
fn alone<T>(work: impl Future<Output = T>) -> T {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Returns whether `found` is within `percent` percent of the truth.
pub fn near(found: u64, truth: f64, percent: f64) -> bool {
    (found as f64 - truth).abs() <= truth * percent / 100.0
}
