//! The record and the counts of a request.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock, SystemTime};

use fnlocal_api::{Cold, Timing};
use fnlocal_core::StartKind;
use http::{Request, StatusCode};
use tracing::level_filters::LevelFilter;
use tracing::{Span, debug, debug_span, field};

use super::client_body::ClientBody;
use super::peers::Counted;
use super::problem::INTERNAL_ERROR;
use fnlocal_driver::{Counts, Dispatched};
use fnlocal_logs::trace::TraceContext;
use fnlocal_logs::{Logs, Record, RequestRecord, ServedBy};

/// A request's record in the log, while the request is under way.
pub struct AccessRecord {
    logs: Logs,
    counts: Rc<Counts>,
    began: Clock,
    /// `None` once written. Nothing else has it until then.
    record: Option<Arc<RequestRecord>>,
    /// The request is counted somewhere for as long as this lives.
    counted: Option<Counted>,
    /// The span for diagnosis.
    span: Span,
}

/// A request that ends without an answer is one whose client left before.
impl Drop for AccessRecord {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.head(StatusCode::INTERNAL_SERVER_ERROR, None);
            return self.end(Some(INTERNAL_ERROR));
        }
        self.end(Some("client_gone"));
    }
}

impl AccessRecord {
    /// Begins the record of a request, with its node's name and its own.
    pub fn begin(
        logs: &Logs,
        counts: &Rc<Counts>,
        (node, id): (Arc<str>, Arc<str>),
        request: &Request<ClientBody>,
    ) -> Self {
        let path = request.uri().path_and_query();
        let path = path.map_or_else(String::new, |path| RequestRecord::path_of(path.as_str()));
        let span = span(request, &id);
        Self {
            span,
            logs: logs.clone(),
            counts: Rc::clone(counts),
            began: Clock::now(),
            record: Some(Arc::new(RequestRecord {
                at: SystemTime::now(),
                id,
                function: None,
                method: request.method().clone(),
                path,
                node,
                status: 0,
                start: None,
                served: None,
                trace: None,
                first_byte: Duration::ZERO,
                total: Duration::ZERO,
                problem: None,
            })),
            counted: None,
        }
    }

    /// Counts the request where it is served until it ends.
    pub fn count(&mut self, counted: Counted) {
        self.counted = Some(counted);
    }

    /// Counts it nowhere any more.
    pub fn uncount(&mut self) {
        self.counted = None;
    }

    /// Says where the request is served.
    pub(super) fn route(&self, route: &str) {
        self.span.record("route", route);
    }

    /// The request's span for diagnosis.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// When the request came.
    pub(super) fn began(&self) -> Clock {
        self.began
    }

    /// The request's name.
    pub fn id(&self) -> &str {
        self.record.as_ref().map_or("", |record| &record.id)
    }

    /// The request's name, shared.
    pub(super) fn name(&self) -> Arc<str> {
        let record = self.record.as_ref();
        record.map_or_else(Arc::default, |record| Arc::clone(&record.id))
    }

    fn record(&mut self) -> Option<&mut RequestRecord> {
        self.record.as_mut().and_then(Arc::get_mut)
    }

    pub(super) fn function(&mut self, name: Arc<str>) {
        self.span.record("function", &*name);
        if let Some(record) = self.record() {
            record.function = Some(name);
        }
    }

    /// An instance is asked.
    pub(super) fn dispatched(&mut self, to: &Dispatched, trace: TraceContext) {
        self.span.record("instance", field::display(to.instance.id));
        debug!(parent: &self.span, start = to.start.word(), trace = trace.id(), "dispatched");
        if let Some(record) = self.record() {
            record.trace = Some(trace);
            record.served = Some(ServedBy {
                instance: to.instance.id,
                code: to.instance.code_header(),
                cold: None,
                timing: Timing::default(),
            });
        }
    }

    /// Notes that the instance answers, and the parts of the time until then.
    pub(super) fn timing(&mut self, timing: Timing, cold: Option<Cold>) {
        if let Some(served) = self.record().and_then(|record| record.served.as_mut()) {
            served.timing = timing;
            served.cold = cold;
        }
    }

    /// The head of the answer is here.
    pub fn head(&mut self, status: StatusCode, start: Option<StartKind>) {
        let first_byte = self.began.elapsed();
        if let Some(record) = self.record() {
            record.status = status.as_u16();
            record.start = start;
            record.first_byte = first_byte;
        }
    }

    /// Writes the record, with why the request was cut short if it was.
    pub fn write(mut self, problem: Option<&'static str>) {
        self.end(problem);
    }

    fn end(&mut self, problem: Option<&'static str>) {
        let total = self.began.elapsed();
        if let Some(record) = self.record() {
            record.total = total;
            record.problem = problem;
        }
        if let Some(record) = self.record.take() {
            debug!(
                parent: &self.span,
                status = record.status,
                start = record.start.map(StartKind::word),
                problem,
                first_byte_us = micros(record.first_byte),
                total_us = micros(record.total),
                "ends",
            );
            let function = record.function.as_ref();
            let end = (record.status, problem);
            self.counts
                .add(function, record.start, end, record.first_byte);
            self.logs.send(Record::Request(record));
        }
    }

    /// Discards the record, for platform paths and for requests that another node logs.
    pub fn forget(&mut self) {
        self.record = None;
    }
}

/// The span of a request, without its query, whose values may be secrets.
fn span(request: &Request<ClientBody>, id: &str) -> Span {
    // The macro alone makes a span that nobody sees, which is more work than all else here.
    if LevelFilter::current() < LevelFilter::DEBUG {
        return Span::none();
    }
    debug_span!(
        "request",
        id,
        method = %request.method(),
        path = RequestRecord::path_of(request.uri().path()),
        function = field::Empty,
        route = field::Empty,
        instance = field::Empty,
    )
}

/// For diagnosis, whose formats know no spans of time.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
