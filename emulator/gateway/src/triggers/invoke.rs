//! Runs jobs on the drivers, as requests that nobody waits for.

use fnlocal_api::headers as api_headers;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fnlocal_core::async_budget::{InFlight, admissible};
use fnlocal_core::trigger::AsyncPolicy;
use fnlocal_core::{FunctionId, RefuseReason, Retry};
use fnlocal_triggers::job::Job;
use fnlocal_triggers::queue::{Disposition, Invoke, Run, RunOutcome};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::run_log;
use crate::Problem;
use fnlocal_driver::spool::Spooled;
use fnlocal_driver::{
    Connection, Dispatched, Driver, DriverGroup, Exchange, ExchangeError, Function,
    Outcome as Word, Refused, RequestBody, Ticket,
};
use fnlocal_logs::Logs;

/// What is kept of an answer that is an error, in bytes.
const MAX_KEPT_ERROR_BYTES: usize = 2048;
/// How long after a connection broke the runtime may take to say why.
const EXIT_REASON_GRACE: Duration = Duration::from_millis(1500);
/// A job whose function is not there is tried again after so long: it may be on its way.
const ABSENT: Duration = Duration::from_secs(5);

/// Runs jobs on whichever node has room.
pub(super) struct DriverInvoker {
    feed: DriverGroup,
    logs: Logs,
    entered: Rc<RefCell<BTreeMap<InvocationSlot, InFlight>>>,
}

/// A driver, by where it is, and one of its functions.
type InvocationSlot = (usize, FunctionId);

impl DriverInvoker {
    pub fn new(feed: DriverGroup, logs: Logs) -> Self {
        Self {
            feed,
            logs,
            entered: Rc::default(),
        }
    }

    fn entered(&self, place: InvocationSlot) -> InFlight {
        self.entered
            .borrow()
            .get(&place)
            .copied()
            .unwrap_or_default()
    }

    /// The node with most room, and there one with an idle instance first.
    fn pick(&self, name: &str) -> Option<(Rc<Driver>, Rc<Function>)> {
        let drivers = self.feed.drivers().into_iter();
        let known = drivers.filter_map(|driver| {
            let function = driver.find(name)?;
            let offer = driver.offer(function.id)?;
            let entered = self.entered(place(&driver, &function));
            let share = function.settings.triggers.delivery.share;
            let key = (
                driver.has_idle(function.id),
                admissible(offer, entered, share),
            );
            Some((key, driver, function))
        });
        let best = known.max_by_key(|(key, ..)| *key);
        best.map(|(_, driver, function)| (driver, function))
    }
}

fn place(driver: &Rc<Driver>, function: &Function) -> InvocationSlot {
    (Rc::as_ptr(driver).addr(), function.id)
}

impl Invoke for DriverInvoker {
    fn policy(&self, function: &str) -> Option<AsyncPolicy> {
        let drivers = self.feed.drivers();
        let found = drivers.iter().find_map(|driver| driver.find(function));
        found.map(|function| function.settings.triggers.delivery.clone())
    }

    fn admissible(&self, function: &str, running: usize) -> u32 {
        let mut places = 0u32;
        for driver in self.feed.drivers() {
            let Some(function) = driver.find(function) else {
                continue;
            };
            let Some(offer) = driver.offer(function.id) else {
                continue;
            };
            let waiting = self.entered(place(&driver, &function)).waiting;
            let entered = InFlight {
                waiting,
                running: 0,
            };
            let share = function.settings.triggers.delivery.share;
            let more = admissible(offer, entered, share);
            places += if more > 0 { more + waiting } else { 0 };
        }
        places.saturating_sub(u32::try_from(running).unwrap_or(u32::MAX))
    }

    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = RunOutcome>>> {
        let Some((driver, function)) = self.pick(&job.head.function) else {
            let why = format!("there is no function named `{}`", job.head.function);
            let after = Some(ABSENT);
            return Box::pin(std::future::ready(RunOutcome::NotRun { why, after }));
        };
        let stay = InFlightGuard::new(&self.entered, place(&driver, &function));
        Box::pin(run(driver, function, job, stay))
    }

    fn ended(&self, run: &Run) {
        let drivers = self.feed.drivers();
        if let Some(driver) = drivers.first() {
            let status = run_log::status(&run.outcome);
            let problem = (run.fate == Disposition::Dead).then_some("dead");
            let function = std::sync::Arc::from(run.head.function.as_str());
            let counts = driver.counts();
            counts.add(Some(&function), None, (status, problem), run.took);
        }
        let node = drivers
            .first()
            .map_or_else(|| "local".into(), |one| one.node());
        run_log::tell(&self.logs, node, run);
    }

    fn warn(&self, text: String) {
        self.logs.warn(text);
    }
}

/// Counts a job at its place until dropped.
struct InFlightGuard {
    entered: Rc<RefCell<BTreeMap<InvocationSlot, InFlight>>>,
    place: InvocationSlot,
    running: bool,
}

impl InFlightGuard {
    fn new(
        entered: &Rc<RefCell<BTreeMap<InvocationSlot, InFlight>>>,
        place: InvocationSlot,
    ) -> Self {
        entered.borrow_mut().entry(place).or_default().waiting += 1;
        Self {
            entered: Rc::clone(entered),
            place,
            running: false,
        }
    }

    fn runs(&mut self) {
        if !std::mem::replace(&mut self.running, true)
            && let Some(entered) = self.entered.borrow_mut().get_mut(&self.place)
        {
            entered.waiting -= 1;
            entered.running += 1;
        }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut all = self.entered.borrow_mut();
        if let Some(entered) = all.get_mut(&self.place) {
            if self.running {
                entered.running -= 1;
            } else {
                entered.waiting -= 1;
            }
            if *entered == InFlight::default() {
                all.remove(&self.place);
            }
        }
    }
}

/// How an attempt at an instance ended.
enum Attempt {
    Answered(Response<Incoming>, Connection),
    Broke(ExchangeError),
    Refused(Refused),
}

async fn run(
    driver: Rc<Driver>,
    function: Rc<Function>,
    job: Job,
    mut stay: InFlightGuard,
) -> RunOutcome {
    // What is left of a body is sent behind the answer, so no other request follows on its connection.
    let reusable = job.file.is_none();
    let Some(mut request) = request(&job) else {
        return RunOutcome::Failed {
            error: "its path or a header of it is none HTTP allows".to_owned(),
            hopeless: true,
            status: 400,
        };
    };
    let ticket = driver.arrive(&function, job.head.id.to_string().into());
    loop {
        let to = match ticket.outcome().await {
            Word::Dispatched(to) => to,
            Word::Refused(refused) => {
                return refused_outcome(&driver, &function, refused, None).await;
            }
        };
        stay.runs();
        let until = Instant::now() + driver.timeout_of(&function);
        match attempt(&ticket, &to, request).await {
            Attempt::Answered(response, connection) => {
                ticket.response_started();
                let status = response.status();
                let left = until.saturating_duration_since(Instant::now());
                // Dropping the ticket has the instance asked whether it is idle.
                let Ok(read) = timeout(left, read(response, &function)).await else {
                    return too_long(&function);
                };
                let kept = match read {
                    Ok(kept) => kept,
                    Err(outcome) => return outcome,
                };
                if reusable {
                    to.instance.put_connection(connection);
                }
                ticket.finished();
                return judge(status, &kept);
            }
            Attempt::Refused(refused) => {
                return refused_outcome(&driver, &function, refused, Some(&to)).await;
            }
            Attempt::Broke(error) => {
                let Some(unsent) = error.unsent else {
                    ticket.failed(Retry::No);
                    // The core's word for a request that is not tried again.
                    let refused = ticket.refused().await;
                    return refused_outcome(&driver, &function, refused, Some(&to)).await;
                };
                request = unsent;
                ticket.failed(Retry::Free);
            }
        }
    }
}

async fn attempt(ticket: &Ticket, to: &Dispatched, request: Request<RequestBody>) -> Attempt {
    let exchange = Exchange {
        instance: &to.instance,
    };
    tokio::select! {
        biased;
        sent = exchange.send(request) => match sent {
            Ok((response, connection)) => Attempt::Answered(response, connection),
            Err(error) => Attempt::Broke(error),
        },
        refused = ticket.refused() => Attempt::Refused(refused),
    }
}

/// Reads the answer to its end, since that is the run's end, and returns the beginning of it.
async fn read(response: Response<Incoming>, function: &Function) -> Result<Vec<u8>, RunOutcome> {
    let mut kept = Vec::new();
    let mut left = function.settings.response_limit.unwrap_or(u64::MAX);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| cut_off())?;
        if let Some(data) = frame.data_ref() {
            let rest = left.checked_sub(data.len() as u64);
            left = rest.ok_or_else(too_large)?;
            let room = MAX_KEPT_ERROR_BYTES
                .saturating_sub(kept.len())
                .min(data.len());
            kept.extend_from_slice(&data[..room]);
        }
    }
    Ok(kept)
}

fn too_large() -> RunOutcome {
    RunOutcome::Failed {
        error: "its answer is larger than its response_limit".to_owned(),
        hopeless: true,
        status: StatusCode::BAD_GATEWAY.as_u16(),
    }
}

/// Nobody reads a run's answer, so unlike a request's it ends within the function's timeout, too.
fn too_long(function: &Function) -> RunOutcome {
    RunOutcome::Failed {
        error: format!(
            "its answer did not end within the function's timeout of {} ms",
            function.settings.limits.timeout.as_millis()
        ),
        hopeless: false,
        status: StatusCode::GATEWAY_TIMEOUT.as_u16(),
    }
}

fn cut_off() -> RunOutcome {
    RunOutcome::Failed {
        error: "the instance ended in the middle of its answer".to_owned(),
        hopeless: false,
        status: StatusCode::BAD_GATEWAY.as_u16(),
    }
}

/// What an answer means. 408, 425, 429 and what is a server's fault may be better another time;
/// any other 4xx says that the event itself is wrong.
fn judge(status: StatusCode, body: &[u8]) -> RunOutcome {
    if status.is_success() || status.is_redirection() {
        return RunOutcome::Done {
            status: status.as_u16(),
        };
    }
    let passing = matches!(status.as_u16(), 408 | 425 | 429);
    let text = String::from_utf8_lossy(body);
    RunOutcome::Failed {
        error: format!("{status}: {}", text.trim()),
        hopeless: status.is_client_error() && !passing,
        status: status.as_u16(),
    }
}

async fn refused_outcome(
    driver: &Rc<Driver>,
    function: &Function,
    refused: Refused,
    on: Option<&Dispatched>,
) -> RunOutcome {
    let problem = Problem::refused(refused.reason, refused.retry_after);
    let mut error = problem.detail;
    match refused.reason {
        RefuseReason::InstanceDied => {
            if let Some(to) = on
                && let Some(end) = to.instance.end(EXIT_REASON_GRACE).await
            {
                error = format!("{error}: {}", end.reason);
            }
        }
        RefuseReason::BrokenCode | RefuseReason::StartFailed => {
            if let Some(why) = driver.start_failure(function) {
                error = format!("{error}: {why}");
            }
        }
        _ => {}
    }
    match refused.reason {
        // It ran, or may have.
        RefuseReason::Timeout | RefuseReason::InstanceDied => RunOutcome::Failed {
            error,
            hopeless: false,
            status: problem.status.as_u16(),
        },
        _ => RunOutcome::NotRun {
            why: error,
            after: refused.retry_after,
        },
    }
}

/// The request a job becomes.
fn request(job: &Job) -> Option<Request<RequestBody>> {
    let body = match &job.file {
        Some(file) => {
            let spooled = Spooled::of_file(Arc::clone(file), job.head.size);
            RequestBody::Spooled(Box::new(spooled.body()))
        }
        None => RequestBody::Full(Some(job.body.clone())),
    };
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = job.head.path.parse().ok()?;
    let headers = request.headers_mut();
    for (name, value) in &job.head.headers {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        headers.append(name, HeaderValue::try_from(value.as_str()).ok()?);
    }
    headers.insert(header::HOST, HeaderValue::from_static("function"));
    let own = [
        (api_headers::REQUEST_ID, job.head.id.to_string()),
        (api_headers::TRIGGER, job.head.trigger.word().to_owned()),
        (api_headers::ATTEMPT, (job.head.attempts + 1).to_string()),
    ];
    for (name, value) in own {
        headers.insert(name, HeaderValue::try_from(value).ok()?);
    }
    Some(request)
}
