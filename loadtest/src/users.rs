//! Users who wait for their answers: a closed loop, on goose.
//!
//! A stall of the target slows these users down, so each of them sees it only once: latencies count
//! from the moment a request was really sent, and nothing is added for requests a stall kept from
//! being sent (goose would back-fill synthetic ones; that is off). The report says so.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use goose::config::GooseConfiguration;
use goose::prelude::*;
use http::Method;
use tokio_util::sync::CancellationToken;

use crate::connect::Connector;
use crate::error::LoadTestError;
use crate::profile::Segment;
use crate::recorder::{SampleRecorder, Window};
use crate::run::{Gathered, LiveProgress, LoadPlan, Watch};
use crate::sample::{GatewayPhases, NoAnswer, Sample, SampleKind};
use crate::scenario::ScenarioStep;
use crate::template::Values;

/// How often the progress line is drawn.
const PROGRESS: Duration = Duration::from_millis(250);

/// The shared results of users.
struct UsersShared {
    began: Instant,
    recorder: Mutex<SampleRecorder>,
    sent: AtomicU64,
}

impl UsersShared {
    fn recorder(&self) -> MutexGuard<'_, SampleRecorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn window(&self) -> Window {
        self.recorder().take_window()
    }
}

/// Returns whether goose can send a method.
#[must_use]
pub fn can_send(method: &Method) -> bool {
    goose_method(method).is_some()
}

pub(crate) async fn run<P: FnMut(&LiveProgress)>(
    connector: &Connector,
    plan: &LoadPlan,
    segments: &[Segment],
    mut watch: Watch<'_, P>,
    stop: &CancellationToken,
) -> Result<Gathered, LoadTestError> {
    let shared = Arc::new(UsersShared {
        began: Instant::now(),
        recorder: Mutex::new(SampleRecorder::new(plan.width())),
        sent: AtomicU64::new(0),
    });
    watch.began = shared.began;
    let attack = attack(&connector.target().url, plan, segments, &shared)
        .map_err(|error| LoadTestError::Users(Box::new(error)))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(LoadTestError::Thread)?;
    let mut running = runtime.spawn(attack.execute());
    let mut tick = tokio::time::interval(PROGRESS);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            _ = tick.tick() => watch.look(shared.window()).await,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                goose::trigger_killswitch("interrupted");
            }
        }
    };
    runtime.shutdown_background();
    if let Ok(Err(error)) = ended {
        return Err(LoadTestError::Users(Box::new(error)));
    }
    let empty = SampleRecorder::new(plan.width());
    let gathered = std::mem::replace(&mut *shared.recorder(), empty);
    let sent = shared.sent.load(Ordering::Acquire);
    let answered: u64 = gathered.statuses.values().sum();
    Ok(watch.gather(gathered, sent, 0, sent.saturating_sub(answered)))
}

fn attack(
    url: &str,
    plan: &LoadPlan,
    segments: &[Segment],
    shared: &Arc<UsersShared>,
) -> Result<GooseAttack, GooseError> {
    let mut configuration = GooseConfiguration::default();
    configuration.host = Some(url.to_owned());
    // Its output would stand in the middle of ours.
    configuration.quiet = 2;
    configuration.no_print_metrics = true;
    configuration.no_error_summary = true;
    configuration.no_telnet = true;
    configuration.report_file = plan.goose_report.iter().map(|path| text(path)).collect();
    let mut scenario = scenario!("fnlocal").register_transaction(starting(plan.timeout));
    for (at, step) in plan.scenario.steps.iter().enumerate() {
        scenario = scenario.register_transaction(transaction(at, step.clone(), shared)?);
    }
    let attack = GooseAttack::initialize_with_config(configuration)?
        .set_default(GooseDefault::TestPlan, plan_of(segments).as_str())?;
    Ok(attack
        .register_scenario(scenario)
        .set_scheduler(GooseScheduler::Random))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// goose's own notation: users to reach, and the seconds to reach them in.
fn plan_of(segments: &[Segment]) -> String {
    let first = segments.first().map_or(0.0, |segment| segment.from);
    let mut steps = vec![format!("{},0s", first.round())];
    for segment in segments {
        let seconds = segment.length.as_secs_f64().round().max(1.0);
        steps.push(format!("{},{seconds}s", segment.to.round()));
    }
    steps.push("0,0s".to_owned());
    steps.join(";")
}

fn transaction(
    at: usize,
    step: ScenarioStep,
    shared: &Arc<UsersShared>,
) -> Result<Transaction, GooseError> {
    let name = format!("{} /{}", step.method, step.function);
    let weight = step.weight as usize;
    let shared = Arc::clone(shared);
    let step = Arc::new(step);
    let function: TransactionFunction = Arc::new(move |user| {
        let (step, shared) = (Arc::clone(&step), Arc::clone(&shared));
        Box::pin(async move { call(user, at, &step, &shared).await })
    });
    Transaction::new(function)
        .set_name(name.as_str())
        .set_weight(weight)
}

/// Gives a user a client that shows every answer as it is: goose's own follows redirects, to
/// whatever host they name.
fn starting(timeout: Duration) -> Transaction {
    let function: TransactionFunction = Arc::new(move |user| {
        Box::pin(async move {
            let client = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("fnlocal/", env!("CARGO_PKG_VERSION")))
                .timeout(timeout);
            user.set_client_builder(client).await?;
            Ok(())
        })
    });
    Transaction::new(function).set_on_start()
}

/// A user whose last request was answered: the next one may meet a connection that was idle.
#[derive(Clone)]
struct HasConnection;

async fn call(
    user: &mut GooseUser,
    at: usize,
    step: &ScenarioStep,
    shared: &UsersShared,
) -> TransactionResult {
    let seq = shared.sent.fetch_add(1, Ordering::AcqRel) + 1;
    let values = Values {
        seq,
        user: user.weighted_users_index as u64 + 1,
    };
    let began = shared.began.elapsed();
    let mut response = send(user, step, values).await?;
    let was_idle = user.get_session_data::<HasConnection>().is_some();
    if let Err(error) = &response
        && was_idle
        && step.method.is_safe()
        && error.is_request()
        && !error.is_timeout()
        && !error.is_connect()
    {
        shared.recorder().retried += 1;
        response = send(user, step, values).await?;
    }
    let mut sample = Sample {
        step: at,
        at: began,
        lag: Duration::ZERO,
        latency: Duration::ZERO,
        kind: SampleKind::Failed,
        status: 0,
        failure: None,
        error: true,
        phases: None,
    };
    match response {
        Ok(response) => read(response, step, &mut sample).await,
        Err(error) => sample.failure = Some(failure(&error)),
    }
    if sample.failure.is_none() {
        user.set_session_data(HasConnection);
    }
    sample.latency = shared.began.elapsed().saturating_sub(began);
    shared.recorder().add(&sample);
    if !step.think.is_zero() {
        tokio::time::sleep(step.think).await;
    }
    Ok(())
}

/// Sends a request. The outer error is goose's own.
async fn send(
    user: &mut GooseUser,
    step: &ScenarioStep,
    values: Values,
) -> Result<Result<reqwest::Response, reqwest::Error>, Box<TransactionError>> {
    let filled = step.fill(values);
    let method = goose_method(&step.method).unwrap_or(GooseMethod::Get);
    let mut builder = user.get_request_builder(&method, &filled.path)?;
    for (name, value) in filled.headers {
        builder = builder.header(name, value);
    }
    if step.body.is_some() {
        builder = builder.body(filled.body);
    }
    // Named, so that paths with placeholders are one line of goose's report.
    let name = format!("/{}", step.function);
    let request = GooseRequest::builder()
        .method(method)
        .path(filled.path.as_str())
        .name(name.as_str())
        .set_request_builder(builder)
        .build();
    Ok(user.request(request).await?.response)
}

async fn read(response: reqwest::Response, step: &ScenarioStep, sample: &mut Sample) {
    let status = response.status();
    sample.status = status.as_u16();
    sample.kind = SampleKind::from_headers(response.headers());
    sample.phases = GatewayPhases::from_headers(response.headers());
    match response.bytes().await {
        Ok(body) => sample.error = step.expect.verdict(status, Some(&body)).is_some(),
        Err(_) => {
            (sample.kind, sample.status) = (SampleKind::Failed, 0);
            sample.failure = Some(NoAnswer::Broke);
        }
    }
}

fn failure(error: &reqwest::Error) -> NoAnswer {
    if error.is_timeout() {
        NoAnswer::Timeout
    } else if error.is_connect() {
        NoAnswer::Connect
    } else {
        NoAnswer::Broke
    }
}

fn goose_method(method: &Method) -> Option<GooseMethod> {
    Some(match *method {
        Method::GET => GooseMethod::Get,
        Method::HEAD => GooseMethod::Head,
        Method::POST => GooseMethod::Post,
        Method::PUT => GooseMethod::Put,
        Method::PATCH => GooseMethod::Patch,
        Method::DELETE => GooseMethod::Delete,
        _ => return None,
    })
}
