//! Makes spans and sends them over OTLP.
//!
//! Made from what is known once a request has ended, on threads of their own. A collector that is
//! slow or away costs spans, which are counted, and nothing else.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use fnlocal_core::StartKind;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};

use crate::trace::TraceContext;
use crate::{JournalTotals, Record, RequestRecord};

/// Requests that may wait to be sent.
const WAITING: usize = 8192;
/// Requests that are sent at once.
const BATCH: usize = 256;
/// How long requests are gathered.
const GATHER: Duration = Duration::from_millis(500);
/// For a batch to be taken.
const SEND: Duration = Duration::from_secs(5);

/// Sends spans.
pub struct Spans {
    sink: SyncSender<Arc<RequestRecord>>,
    thread: JoinHandle<()>,
    totals: Arc<JournalTotals>,
}

impl Spans {
    /// Starts the sending. Where to, and with what headers, the environment says.
    ///
    /// # Errors
    /// Fails if the environment makes no sense, or there is no thread.
    pub fn start(
        service: &str,
        totals: Arc<JournalTotals>,
        printer: SyncSender<Vec<Record>>,
    ) -> io::Result<Self> {
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(service.to_owned());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let built = SpanExporter::builder().with_http().build();
        drop(entered);
        let mut exporter = built.map_err(io::Error::other)?;
        exporter.set_resource(&resource.build());
        let (sink, requests) = sync_channel(WAITING);
        let sender = SpanSender {
            exporter,
            runtime,
            totals: Arc::clone(&totals),
            printer,
            failing: false,
        };
        let thread = std::thread::Builder::new().name("spans".into());
        let thread = thread.spawn(move || sender.run(&requests))?;
        Ok(Self {
            sink,
            thread,
            totals,
        })
    }

    /// Takes a request that has ended.
    pub fn take(&self, request: &Arc<RequestRecord>) {
        if request.trace.is_some_and(|trace| trace.sampled)
            && let Err(TrySendError::Full(_)) = self.sink.try_send(Arc::clone(request))
        {
            JournalTotals::add(&self.totals.spans_dropped, spans_of(request).len() as u64);
        }
    }

    /// Sends what is left.
    pub fn end(self) {
        drop(self.sink);
        // A panic there has cost spans only.
        let _panicked = self.thread.join();
    }
}

struct SpanSender {
    exporter: SpanExporter,
    runtime: tokio::runtime::Runtime,
    totals: Arc<JournalTotals>,
    printer: SyncSender<Vec<Record>>,
    failing: bool,
}

impl SpanSender {
    fn run(mut self, requests: &Receiver<Arc<RequestRecord>>) {
        while let Ok(first) = requests.recv() {
            let mut batch = spans_of(&first);
            let mut more = 1;
            let open = loop {
                match requests.recv_timeout(GATHER) {
                    Ok(request) => batch.extend(spans_of(&request)),
                    Err(RecvTimeoutError::Timeout) => break true,
                    Err(RecvTimeoutError::Disconnected) => break false,
                }
                more += 1;
                if more == BATCH {
                    break true;
                }
            };
            self.send(batch);
            if !open {
                return;
            }
        }
    }

    fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let sending = async { tokio::time::timeout(SEND, self.exporter.export(batch)).await };
        let why = match self.runtime.block_on(sending) {
            Ok(Ok(())) => {
                self.failing = false;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", SEND.as_secs()),
        };
        JournalTotals::add(&self.totals.spans_dropped, count);
        if !std::mem::replace(&mut self.failing, true) {
            let text = format!("traces cannot be sent: {why}");
            let warning = true;
            // The printer may be busy; the count remains.
            let _busy = self.printer.try_send(vec![Record::Note { warning, text }]);
        }
    }
}

/// A request's spans: its own, one for each phase of its start, and the handler's.
fn spans_of(request: &RequestRecord) -> Vec<SpanData> {
    let Some(trace) = request.trace else {
        return Vec::new();
    };
    let end = request.at + request.total;
    let mut whole = span(trace, request.request_name(), (request.at, end));
    whole.span_context = context(trace, trace.request);
    whole.parent_span_id = SpanId::from_bytes(trace.parent.unwrap_or(0).to_be_bytes());
    whole.parent_span_is_remote = trace.parent.is_some();
    whole.span_kind = SpanKind::Server;
    whole.attributes = attributes(request);
    if request.status >= 500 || request.status == 0 {
        let why = request
            .problem
            .unwrap_or("the function answered with an error");
        whole.status = Status::error(why);
    }
    let mut spans = vec![whole];
    let Some(served) = request.served.as_ref().filter(|_| request.start.is_some()) else {
        return spans;
    };
    let timing = &served.timing;
    let phases = [
        ("queue", timing.queue),
        ("create", timing.create),
        ("boot", timing.boot),
        ("import", timing.import),
    ];
    let mut at = request.at;
    for (name, length) in phases {
        let taken = name == "queue" || !length.is_zero();
        let shown = taken && request.start != Some(StartKind::Warm);
        if shown {
            // A start that was under way when the request came took longer than the request.
            let within = (at.min(end), (at + length).min(end));
            spans.push(span(trace, name.to_owned(), within));
        }
        at += length;
    }
    let mut handler = span(trace, "handler".to_owned(), (at.min(end), end));
    handler.span_context = context(trace, trace.handler);
    spans.push(handler);
    spans
}

impl RequestRecord {
    fn request_name(&self) -> String {
        match &self.function {
            Some(function) => format!("{} /{function}", self.method),
            None => self.method.to_string(),
        }
    }
}

fn context(trace: TraceContext, span: u64) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(trace.trace.to_be_bytes()),
        SpanId::from_bytes(span.to_be_bytes()),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    )
}

/// A span below the request's.
fn span(
    trace: TraceContext,
    name: String,
    (start_time, end_time): (SystemTime, SystemTime),
) -> SpanData {
    let scope = InstrumentationScope::builder("fnlocal").with_version(env!("CARGO_PKG_VERSION"));
    SpanData {
        span_context: context(trace, rand::random::<u64>() | 1),
        parent_span_id: SpanId::from_bytes(trace.request.to_be_bytes()),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time,
        end_time,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope.build(),
    }
}

/// By OpenTelemetry's conventions for HTTP servers and functions, where they have a name for it.
fn attributes(request: &RequestRecord) -> Vec<KeyValue> {
    let path = request.path.split('?').next().unwrap_or_default();
    let mut all = vec![
        KeyValue::new("http.request.method", request.method.to_string()),
        KeyValue::new("url.path", path.to_owned()),
        KeyValue::new("http.response.status_code", i64::from(request.status)),
        KeyValue::new("faas.invocation_id", request.id.to_string()),
        KeyValue::new("fnlocal.node", request.node.to_string()),
    ];
    if let Some(function) = &request.function {
        all.push(KeyValue::new("faas.name", function.to_string()));
    }
    if let Some(start) = request.start {
        all.push(KeyValue::new("fnlocal.start", start.word()));
        all.push(KeyValue::new("faas.coldstart", start == StartKind::Cold));
    }
    if let Some(served) = &request.served {
        all.push(KeyValue::new("faas.instance", served.instance.to_string()));
    }
    if let Some(problem) = request.problem {
        all.push(KeyValue::new("error.type", problem));
    }
    all
}
