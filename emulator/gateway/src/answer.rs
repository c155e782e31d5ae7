//! One request: where it goes, and its line in the log.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock, SystemTime};

use axum::extract::ConnectInfo;
use fnlocal_api::{Cold, Timing};
use fnlocal_core::StartKind;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower::ServiceExt;
use tracing::level_filters::LevelFilter;
use tracing::{Span, debug, debug_span, field};

use super::async_invoke;
use super::body::ResponseBody;
use super::client_body::ClientBody;
use super::name::request_name;
use super::origin::{Platform, is_worker_over_all, on_functions_port};
use super::outgoing::Outgoing;
use super::path::{Route, route};
use super::peers::{self, Counted};
use super::platform::{self, HEALTH_PATH};
use super::problem::INTERNAL_ERROR;
use super::relay::Elsewhere;
use super::{Gateway, Peer, Problem, asks_locally, comes_from_no_other_site, drain, headers};
use crate::triggers;
use fnlocal_driver::{Counts, Dispatched, Function};
use fnlocal_logs::trace::TraceContext;
use fnlocal_logs::{Logs, Record, RequestRecord, ServedBy};

/// A request's line in the log, while the request is under way.
pub struct Entry {
    logs: Logs,
    counts: Rc<Counts>,
    began: Clock,
    /// None once written. Nobody else has it until then.
    record: Option<Arc<RequestRecord>>,
    /// The request is counted somewhere for as long as this lives.
    counted: Option<Counted>,
    /// What diagnosis says of the request is said in here.
    span: Span,
}

/// A request that ends without an answer is one whose client left before.
impl Drop for Entry {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.head(StatusCode::INTERNAL_SERVER_ERROR, None);
            return self.end(Some(INTERNAL_ERROR));
        }
        self.end(Some("client_gone"));
    }
}

impl Entry {
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

    /// The span that diagnosis says of the request is in.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn began(&self) -> Clock {
        self.began
    }

    pub fn id(&self) -> &str {
        self.record.as_ref().map_or("", |record| &record.id)
    }

    /// The request's name.
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

    /// It answers: where the time went until then.
    pub(super) fn timing(&mut self, timing: Timing, cold: Option<Cold>) {
        if let Some(served) = self.record().and_then(|record| record.served.as_mut()) {
            served.timing = timing;
            served.cold = cold;
        }
    }

    pub fn head(&mut self, status: StatusCode, start: Option<StartKind>) {
        let first_byte = self.began.elapsed();
        if let Some(record) = self.record() {
            record.status = status.as_u16();
            record.start = start;
            record.first_byte = first_byte;
        }
    }

    /// Ends the line, with why it was cut short if it was.
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

    /// For what is no function's, or is written elsewhere: nothing is written.
    pub fn forget(&mut self) {
        self.record = None;
    }
}

impl Gateway {
    /// Answers one request: every path through here ends in exactly one response.
    pub(super) async fn respond(
        self: &Rc<Self>,
        request: Request<ClientBody>,
        peer: &Peer,
    ) -> Response<ResponseBody> {
        let by_node = self.named_by_node(&request);
        let id = by_node.clone();
        let id = id.unwrap_or_else(request_name);
        let named = (self.driver.node(), Arc::clone(&id));
        let entry = Entry::begin(self.driver.logs(), self.driver.counts(), named, &request);
        if let Some(problem) = refuse_shape(&request) {
            return self.turn_away(request, entry, &problem);
        }
        let found = match route(request.uri().path()) {
            Route::Platform => return self.platform(request, peer.address, entry).await,
            Route::Refused(why) => Err(Problem::new(StatusCode::BAD_REQUEST, "bad_path", why)),
            Route::Named(name) if is_worker_over_all(&request) => self.no_worker(name),
            Route::Named(name) => self.named(name),
        };
        match found {
            Ok(function) if by_node.is_some() => {
                let id = header(&id);
                let prepare = |headers: &mut _| headers::from_node(headers, &id);
                let outgoing = Outgoing::new(request, prepare);
                self.serve_here(outgoing, id, function, entry).await
            }
            Ok(function) if async_invoke::is_deferred(&request) => {
                self.defer(request, peer, function, entry).await
            }
            Ok(function) => self.from_client(request, peer, &id, function, entry).await,
            Err(problem) => self.turn_away(request, entry, &problem),
        }
    }

    async fn from_client(
        self: &Rc<Self>,
        request: Request<ClientBody>,
        peer: &Peer,
        id: &str,
        function: Rc<Function>,
        mut entry: Entry,
    ) -> Response<ResponseBody> {
        entry.function(function.name.clone());
        let id = header(id);
        let prepare = |headers: &mut _| headers::to_instance(headers, &id, peer);
        let mut outgoing = Outgoing::new(request, prepare);
        if let Some(peers) = &self.peers {
            let entered = self.elsewhere(&**peers, &function, outgoing, entry);
            match entered.await {
                Elsewhere::Answered(response) => return response,
                Elsewhere::Here(back) => (outgoing, entry) = *back,
            }
        }
        self.forward(outgoing, id, function, entry).await
    }

    async fn serve_here(
        self: &Rc<Self>,
        outgoing: Outgoing,
        id: HeaderValue,
        function: Rc<Function>,
        mut entry: Entry,
    ) -> Response<ResponseBody> {
        entry.function(function.name.clone());
        self.forward(outgoing, id, function, entry).await
    }

    /// The name another node gave a request it sends here. Whoever cannot prove to be one is a
    /// client.
    fn named_by_node(&self, request: &Request<ClientBody>) -> Option<Arc<str>> {
        let peers = self.peers.as_ref()?;
        let headers = request.headers();
        if !peers::proves(peers.token(), headers.get(peers::FORWARDED)?) {
            return None;
        }
        let id = headers.get(headers::REQUEST_ID)?.to_str().ok()?;
        Some(id.into())
    }

    /// Refuses a request nobody has looked into yet.
    pub(super) fn turn_away(
        &self,
        request: Request<ClientBody>,
        entry: Entry,
        problem: &Problem,
    ) -> Response<ResponseBody> {
        if !drain::holds_back(request.headers()) {
            drain::drain(request.into_body());
        }
        self.refuse(entry, problem)
    }

    /// The platform's own answer, with the headers every answer has.
    pub(super) fn refuse(&self, mut entry: Entry, problem: &Problem) -> Response<ResponseBody> {
        let mut response = problem.response(entry.id());
        if let Ok(id) = HeaderValue::from_str(entry.id()) {
            headers::to_refused(response.headers_mut(), &id, &self.node);
        }
        entry.head(problem.status, None);
        entry.write(Some(problem.reason));
        response
    }

    async fn platform(
        &self,
        request: Request<ClientBody>,
        peer: SocketAddr,
        mut entry: Entry,
    ) -> Response<ResponseBody> {
        let allowed = if self.options.open_platform {
            comes_from_no_other_site(&request)
        } else {
            asks_locally(&request, peer)
        };
        if let Err(problem) = allowed {
            return self.refuse(entry, &problem);
        }
        entry.forget();
        if let Some(other) = on_functions_port(&request, &self.token, self.platform_port) {
            return other;
        }
        self.own(request, peer).await
    }

    /// Answers a path of the platform.
    async fn own(
        &self,
        mut request: Request<ClientBody>,
        peer: SocketAddr,
    ) -> Response<ResponseBody> {
        if let Some(triggers) = &self.triggers
            && request.uri().path().starts_with(triggers::PATH)
        {
            return triggers.admin(request, &self.token).await;
        }
        // The nodes of one process share the queue, and none of them is to blame for it.
        if self.peers.is_none()
            && request.uri().path() == HEALTH_PATH
            && let Some(fault) = self.triggers.as_ref().and_then(|one| one.fault())
        {
            return platform::health_with(Some(fault)).map(ResponseBody::Platform);
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        match self.platform.clone().oneshot(request).await {
            Ok(response) => response.map(ResponseBody::Platform),
            Err(never) => match never {},
        }
    }
}

impl Platform for Gateway {
    async fn answer_platform(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Rc<Peer>,
    ) -> Response<ResponseBody> {
        self.own(request, peer.address).await
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

fn header(id: &str) -> HeaderValue {
    HeaderValue::from_str(id).expect("hexadecimal digits, or read from a header")
}

/// Requests that no proxy should pass on.
fn refuse_shape(request: &Request<ClientBody>) -> Option<Problem> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Some(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "CONNECT and TRACE are not passed to functions",
        ));
    }
    None
}
