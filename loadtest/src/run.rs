//! A run: look, send, watch, gather.

mod coldstart;
mod gathered;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::connect::Connector;
use crate::error::LoadTestError;
use crate::gateway::{GatewayClient, GatewayCount, GatewaySample, PlatformView};
use crate::generator::{Generator, GeneratorSettings};
use crate::profile::{ArrivalSchedule, LoadShape, Segment};
use crate::recorder::{SampleRecorder, Window};
use crate::scenario::LoadScenario;
use crate::target::Target;
use crate::users;

pub use coldstart::ColdPlan;
pub use gathered::{GatewaySamples, Gathered};

/// How often the progress line is drawn.
const PROGRESS: Duration = Duration::from_millis(250);
/// Time for answers after an interrupt.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// How load is made.
#[derive(Clone, Debug)]
pub enum LoadKind {
    /// Requests start on schedule, whether or not earlier ones ended.
    Rate(Vec<Segment>),
    /// Users who wait for an answer before they send the next request.
    Users(Vec<Segment>),
    /// Cold starts, one after the other and many at once.
    Cold(ColdPlan),
}

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// The scenario.
    pub scenario: LoadScenario,
    /// The shape's name, for the report.
    pub shape: LoadShape,
    /// How it is sent.
    pub load: LoadKind,
    /// The maximum number of connections.
    pub connections: usize,
    /// Time a request may take.
    pub timeout: Duration,
    /// Where goose writes its own report, for users.
    pub goose_report: Option<std::path::PathBuf>,
}

/// The figures of the progress line.
#[derive(Clone, Debug, Default)]
pub struct LiveProgress {
    /// Time since the beginning.
    pub elapsed: Duration,
    /// How long it will take, where that is known.
    pub length: Option<Duration>,
    /// The present phase.
    pub phase: String,
    /// Answers a second.
    pub rate: f64,
    /// Median latency in microseconds; none without answers.
    pub p50: Option<u64>,
    /// The latency one in a hundred exceeds, in microseconds.
    pub p99: Option<u64>,
    /// Errors since the beginning.
    pub errors: u64,
    /// Instances, where the gateway tells.
    pub instances: Option<u32>,
    /// Requests that wait at the gateway, where it tells.
    pub queued: Option<u32>,
}

/// A target that answers, and a scenario that fits it.
pub struct CheckedTarget {
    connector: Connector,
    gateway: GatewayClient,
    view: Option<PlatformView>,
}

impl LoadPlan {
    fn functions(&self) -> BTreeSet<&str> {
        let steps = self.scenario.steps.iter();
        steps.map(|step| step.function.as_str()).collect()
    }

    /// How long it will take, where that is known.
    #[must_use]
    pub fn length(&self) -> Option<Duration> {
        match &self.load {
            LoadKind::Rate(segments) | LoadKind::Users(segments) => {
                Some(ArrivalSchedule::length(segments))
            }
            LoadKind::Cold(_) => None,
        }
    }

    /// Width of the report's intervals: some 120 of them, round.
    pub(crate) fn width(&self) -> Duration {
        const WIDTHS: [u64; 8] = [100, 250, 500, 1000, 2000, 5000, 10_000, 30_000];
        let length = self.length().unwrap_or(Duration::from_secs(60));
        let wanted = length.as_millis() as u64 / 120;
        let width = WIDTHS.into_iter().find(|&width| width >= wanted);
        Duration::from_millis(width.unwrap_or(60_000))
    }
}

impl CheckedTarget {
    /// Connects to a target and asks what it has. Sends no load. Must run inside a `LocalSet`.
    ///
    /// # Errors
    /// [`LoadTestError::Dns`], [`LoadTestError::Down`] or [`LoadTestError::Tls`].
    pub async fn look(target: &Target) -> Result<Self, LoadTestError> {
        let connector = Connector::new(target).await?;
        let gateway = GatewayClient::new(connector.clone());
        let view = gateway.view().await;
        Ok(Self {
            connector,
            gateway,
            view,
        })
    }

    /// Looks whether the target has what a plan asks for, as far as it tells.
    ///
    /// # Errors
    /// [`LoadTestError::UnknownFunction`] and [`LoadTestError::NoCold`].
    pub fn covers(&self, plan: &LoadPlan) -> Result<(), LoadTestError> {
        let target = self.connector.target();
        if let Some(known) = self.functions() {
            let mut steps = plan.scenario.steps.iter();
            if let Some(step) = steps.find(|step| !known.contains(&step.function)) {
                return Err(LoadTestError::UnknownFunction {
                    name: step.function.clone(),
                    url: target.url.clone(),
                    known,
                });
            }
        }
        let why = match (&plan.load, &self.view, &target.token) {
            (LoadKind::Cold(_), None, _) => {
                "what answers there is no fnlocal that shows its instances"
            }
            (LoadKind::Cold(_), _, None) => "its token is not known",
            _ => return Ok(()),
        };
        Err(LoadTestError::NoCold {
            url: target.url.clone(),
            why: why.to_owned(),
        })
    }

    /// Names of the functions, where the target tells them.
    #[must_use]
    pub fn functions(&self) -> Option<Vec<String>> {
        self.view.as_ref().map(PlatformView::names)
    }

    /// Sends the load and gathers what comes of it. Must run inside a `LocalSet`. `stop` ends it
    /// early, with a report of what was gathered.
    ///
    /// # Errors
    /// [`LoadTestError`] when it cannot begin.
    pub async fn run(
        self,
        plan: &LoadPlan,
        progress: impl FnMut(&LiveProgress),
        stop: CancellationToken,
    ) -> Result<Gathered, LoadTestError> {
        let before = self.gateway.view().await;
        let began_at = jiff::Timestamp::now();
        let watch = Watch::new(&self.gateway, before.as_ref(), plan.length(), progress);
        let mut gathered = match &plan.load {
            LoadKind::Rate(segments) => self.rate(plan, segments, watch, &stop).await?,
            LoadKind::Users(segments) => {
                users::run(&self.connector, plan, segments, watch, &stop).await?
            }
            LoadKind::Cold(cold) => self.cold(plan, cold, watch, &stop).await?,
        };
        gathered.began_at = began_at;
        gathered.interrupted = stop.is_cancelled();
        if let Some(before) = before {
            gathered.watched.counts = self.counts_since(&before, plan, &gathered).await;
        }
        Ok(gathered)
    }

    fn settings(&self, plan: &LoadPlan) -> GeneratorSettings {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        GeneratorSettings {
            connector: self.connector.clone(),
            scenario: Arc::new(plan.scenario.clone()),
            connections: plan.connections,
            timeout: plan.timeout,
            width: plan.width(),
            // The target, where it is this machine, needs the other half.
            workers: (cores / 2).clamp(1, 8),
        }
    }

    async fn rate<P: FnMut(&LiveProgress)>(
        &self,
        plan: &LoadPlan,
        segments: &[Segment],
        mut watch: Watch<'_, P>,
        stop: &CancellationToken,
    ) -> Result<Gathered, LoadTestError> {
        let generator = Generator::start(&self.settings(plan))?;
        watch.began = generator.began();
        let mut followed = generator.follow(segments);
        let mut tick = tokio::time::interval(PROGRESS);
        loop {
            tokio::select! {
                () = followed.over() => break,
                // Its workers end what they are at, which is over at once.
                () = stop.cancelled(), if !generator.is_stopped() => generator.stop(),
                _ = tick.tick() => watch.look(generator.window()).await,
            }
        }
        watch.phase = "waiting for answers".to_owned();
        // Longer than the last request may take, so that its own timeout is what ends it.
        let answers_wait = if stop.is_cancelled() {
            SHORT_WAIT
        } else {
            plan.timeout + SHORT_WAIT
        };
        let waited = tokio::time::sleep(answers_wait);
        tokio::pin!(waited);
        loop {
            tokio::select! {
                () = generator.quiet() => break,
                () = &mut waited => break,
                () = tokio::time::sleep(SHORT_WAIT), if stop.is_cancelled() => break,
                _ = tick.tick() => watch.look(generator.window()).await,
            }
        }
        Ok(watch.finish(generator))
    }

    /// The gateway's own counts of the run, once they have come to rest.
    async fn counts_since(
        &self,
        before: &PlatformView,
        plan: &LoadPlan,
        gathered: &Gathered,
    ) -> Option<Vec<GatewayCount>> {
        let mut counts = Vec::new();
        // A request whose client left is counted when its connection is seen to be closed.
        for _ in 0..20 {
            let view = self.gateway.view().await?;
            counts = gathered::difference(view.counts(), before.counts(), &plan.functions());
            let counted: u64 = counts.iter().map(|count| count.requests).sum();
            if counted >= gathered.sent {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(counts)
    }
}

/// Draws the progress line and samples the gateway while a run goes on.
pub(crate) struct Watch<'a, P> {
    gateway: &'a GatewayClient,
    refused_before: u64,
    sees: bool,
    progress: P,
    /// When the run began.
    pub(crate) began: Instant,
    length: Option<Duration>,
    /// The present phase.
    pub(crate) phase: String,
    last: Instant,
    errors: u64,
    samples: Vec<GatewaySample>,
}

impl<'a, P: FnMut(&LiveProgress)> Watch<'a, P> {
    fn new(
        gateway: &'a GatewayClient,
        before: Option<&PlatformView>,
        length: Option<Duration>,
        progress: P,
    ) -> Self {
        Self {
            gateway,
            refused_before: before.map_or(0, PlatformView::refused),
            sees: before.is_some(),
            progress,
            began: Instant::now(),
            length,
            phase: String::new(),
            last: Instant::now(),
            errors: 0,
            samples: Vec::new(),
        }
    }

    /// One look at the gateway, and one line.
    pub(crate) async fn look(&mut self, window: Window) {
        let view = if self.sees {
            self.gateway.view().await
        } else {
            None
        };
        let elapsed = self.began.elapsed();
        let sample = view.map(|view| view.sample(elapsed, self.refused_before));
        self.samples.extend(sample);
        self.errors += window.errors;
        let since = self.last.elapsed().as_secs_f64().max(0.001);
        self.last = Instant::now();
        let answers = window.latency.len();
        let quantile = |q| (answers > 0).then(|| window.latency.value_at_quantile(q));
        (self.progress)(&LiveProgress {
            elapsed,
            length: self.length,
            phase: self.phase.clone(),
            rate: answers as f64 / since,
            p50: quantile(0.5),
            p99: quantile(0.99),
            errors: self.errors,
            instances: sample.map(|sample| sample.all),
            queued: sample.map(|sample| sample.queued),
        });
    }

    fn finish(self, generator: Generator) -> Gathered {
        let (recorder, totals) = generator.finish();
        self.gather(recorder, totals.sent, totals.dropped, totals.unanswered)
    }

    /// Puts together what came of the run.
    pub(crate) fn gather(
        self,
        recorder: SampleRecorder,
        sent: u64,
        dropped: u64,
        unanswered: u64,
    ) -> Gathered {
        Gathered {
            recorder,
            began_at: jiff::Timestamp::now(),
            took: self.began.elapsed(),
            sent,
            dropped,
            unanswered,
            interrupted: false,
            watched: GatewaySamples {
                samples: self.samples,
                counts: None,
            },
        }
    }
}
