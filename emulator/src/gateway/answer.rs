//! One request: where it goes, and its line in the log.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock, SystemTime};

use axum::extract::ConnectInfo;
use fnlocal_core::StartKind;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tower::ServiceExt;

use super::body::ResponseBody;
use super::path::{Route, route};
use super::{Gateway, Peer, Problem, drain, headers};
use crate::driver::{Counts, Driver, Function};
use crate::logs::{Logs, Record, RequestRecord};

/// A request's line in the log, while the request is under way.
pub struct Entry {
    logs: Logs,
    counts: Rc<Counts>,
    began: Clock,
    /// None once written.
    record: Option<RequestRecord>,
}

/// A request that ends without an answer is one whose client left before.
impl Drop for Entry {
    fn drop(&mut self) {
        self.end(Some("client_gone"));
    }
}

impl Entry {
    pub(super) fn begin(driver: &Driver, id: &str, request: &Request<Incoming>) -> Self {
        let path = request
            .uri()
            .path_and_query()
            .map_or_else(String::new, ToString::to_string);
        Self {
            logs: driver.logs().clone(),
            counts: Rc::clone(driver.counts()),
            began: Clock::now(),
            record: Some(RequestRecord {
                at: SystemTime::now(),
                id: id.to_owned(),
                function: None,
                method: request.method().clone(),
                path,
                status: 0,
                start: None,
                first_byte: Duration::ZERO,
                total: Duration::ZERO,
                problem: None,
            }),
        }
    }

    pub(super) fn began(&self) -> Clock {
        self.began
    }

    pub(super) fn id(&self) -> &str {
        self.record.as_ref().map_or("", |record| &record.id)
    }

    pub(super) fn function(&mut self, name: Arc<str>) {
        if let Some(record) = &mut self.record {
            record.function = Some(name);
        }
    }

    pub(super) fn head(&mut self, status: StatusCode, start: Option<StartKind>) {
        if let Some(record) = &mut self.record {
            record.status = status.as_u16();
            record.start = start;
            record.first_byte = self.began.elapsed();
        }
    }

    /// Ends the line, with why it was cut short if it was.
    pub fn write(mut self, problem: Option<&'static str>) {
        self.end(problem);
    }

    fn end(&mut self, problem: Option<&'static str>) {
        if let Some(mut record) = self.record.take() {
            record.total = self.began.elapsed();
            record.problem = problem;
            let function = record.function.as_ref();
            self.counts
                .add(function, record.start, record.status, problem);
            self.logs.send(Record::Request(record));
        }
    }

    /// For what is no function's: nothing is written.
    fn forget(mut self) {
        self.record = None;
    }
}

impl Gateway {
    /// Answers one request: every path through here ends in exactly one response.
    pub(super) async fn answer(
        self: &Rc<Self>,
        request: Request<Incoming>,
        peer: &Peer,
    ) -> Response<ResponseBody> {
        let id = self.driver.request_name(self.run);
        let entry = Entry::begin(&self.driver, &id, &request);
        if let Some(problem) = refuse_shape(&request) {
            return self.turn_away(request, entry, &problem);
        }
        let found = match route(request.uri().path()) {
            Route::Platform => return self.platform(request, peer.address, entry).await,
            Route::Refused(why) => Err(Problem::new(StatusCode::BAD_REQUEST, "bad_path", why)),
            Route::Named(name) => self.named(name),
        };
        match found {
            Ok(function) => self.forward(request, peer, function, entry).await,
            Err(problem) => self.turn_away(request, entry, &problem),
        }
    }

    /// Refuses a request nobody has looked into yet.
    fn turn_away(
        &self,
        request: Request<Incoming>,
        entry: Entry,
        problem: &Problem,
    ) -> Response<ResponseBody> {
        if !drain::holds_back(request.headers()) {
            drain::drain(request.into_body());
        }
        self.refuse(entry, problem)
    }

    fn named(&self, name: &str) -> Result<Rc<Function>, Problem> {
        if let Some(function) = self.driver.find(name) {
            return Ok(function);
        }
        if let Some(function) = self.driver.default_function() {
            return Ok(function);
        }
        Err(self.not_found(name))
    }

    fn not_found(&self, name: &str) -> Problem {
        if let Some(failure) = self.driver.with_functions(|known| known.nameless_failure()) {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let mut problem = Problem::new(status, "import_failed", failure.summary());
            problem.hint = failure.hint.clone();
            return problem.function(name);
        }
        let functions = self.driver.with_functions(|functions| {
            let names: Vec<_> = functions.all().iter().map(|f| f.name.to_string()).collect();
            (functions.nearest(name), names)
        });
        let hint = match functions {
            (Some(nearest), _) => format!("did you mean /{nearest}?"),
            (None, names) if names.is_empty() => "no function is loaded".to_owned(),
            (None, names) => format!("the functions are: /{}", names.join(", /")),
        };
        let detail = if name.is_empty() {
            "no function is named as the default for `/`".to_owned()
        } else {
            format!("there is no function named `{name}`")
        };
        Problem::new(StatusCode::NOT_FOUND, "unknown_function", detail).hint(hint)
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
        mut request: Request<Incoming>,
        peer: SocketAddr,
        entry: Entry,
    ) -> Response<ResponseBody> {
        if !peer.ip().is_loopback() && !self.options.open_platform {
            let problem = Problem::new(
                StatusCode::FORBIDDEN,
                "not_local",
                "the platform's own paths answer this machine only",
            );
            return self.refuse(entry, &problem);
        }
        if !self.options.open_platform && !names_this_machine(&request) {
            let problem = Problem::new(
                StatusCode::FORBIDDEN,
                "bad_host",
                "the Host header does not name this machine",
            );
            return self.refuse(entry, &problem);
        }
        entry.forget();
        request.extensions_mut().insert(ConnectInfo(peer));
        match self.platform.clone().oneshot(request).await {
            Ok(response) => response.map(ResponseBody::Platform),
            Err(never) => match never {},
        }
    }
}

/// A page of another site can make a browser send requests here by a name that resolves to
/// 127.0.0.1 (DNS rebinding); its Host header then gives it away.
fn names_this_machine(request: &Request<Incoming>) -> bool {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    let Some(host) = host else {
        return false;
    };
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Requests that no proxy should pass on.
fn refuse_shape(request: &Request<Incoming>) -> Option<Problem> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Some(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "CONNECT and TRACE are not passed to functions",
        ));
    }
    None
}
