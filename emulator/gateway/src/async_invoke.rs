//! Asynchronous invocations: a request is answered 202 once it is in the queue, and runs from there.

use fnlocal_api::headers as api_headers;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fnlocal_api::UserError;
use fnlocal_triggers::job::{Accepted, NewJob, Trigger};
use fnlocal_triggers::job_queue::{NewJobs, ReservedRoom};
use fnlocal_triggers::queue::{AcceptError, millis};
use fnlocal_triggers::store::{BodyFile, QueueStoreError};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Body;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::access_log::AccessRecord;
use super::body::ResponseBody;
use super::client_body::ClientBody;
use super::forwarded;
use super::peers::proves;
use super::platform::TOKEN_HEADER;
use super::{Gateway, Peer, Problem, drain, headers};
use crate::triggers::{Triggers, Upload};
use fnlocal_driver::Function;
use fnlocal_driver::spool::{SpoolError, SpoolLimits, Spooled, spool};

/// Asks for it.
const INVOKE: HeaderName = HeaderName::from_static(api_headers::INVOKE);
/// Requests of one key run one after the other.
const ORDER: HeaderName = HeaderName::from_static(api_headers::ORDER_KEY);
/// A second request of the same key is the first one.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest key, in bytes.
const KEY_BYTES: usize = 256;
/// The maximum number of bytes of a job's path and headers, whatever `max_header_size` says: the queue's
/// own file has them, as it has a small body.
const MAX_HEADER_BYTES: usize = 15 << 10;
/// The maximum number of bytes of a job's path with its query.
const MAX_PATH_BYTES: usize = 8 << 10;
/// The maximum number of bytes of a body that is kept in memory, and in the queue's own file.
const MEMORY_BYTES: usize = 16 << 10;
/// The minimum rate of a body in bytes per second, after [`GRACE`].
const MIN_RATE: u64 = 16 << 10;
/// The time in which a body need not keep up its rate.
const GRACE: Duration = Duration::from_secs(30);
/// When trying again makes sense while the queue is full.
const FULL: Duration = Duration::from_secs(5);

/// Returns whether a request asks for an asynchronous invocation.
pub(super) fn is_deferred(request: &Request<ClientBody>) -> bool {
    request.headers().contains_key(INVOKE)
}

impl Gateway {
    /// Accepts a request into the queue.
    pub(super) async fn defer(
        self: &Rc<Self>,
        request: Request<ClientBody>,
        peer: &Peer,
        function: Rc<Function>,
        record: AccessRecord,
    ) -> Response<ResponseBody> {
        let Some(triggers) = self.triggers.clone() else {
            let what = "there is no queue here";
            let problem = Problem::new(StatusCode::NOT_IMPLEMENTED, "no_queue", what);
            return self.turn_away(request, record, &problem.function(&function.name));
        };
        if let Err(problem) = self.may_defer(&request, &function) {
            return self.turn_away(request, record, &problem.function(&function.name));
        }
        let asked = match AsyncOptions::read(&request) {
            Ok(asked) => asked,
            Err(problem) => {
                return self.turn_away(request, record, &problem.function(&function.name));
            }
        };
        match self
            .accept(&triggers, asked, request, peer, &function)
            .await
        {
            Ok(accepted) => self.accepted(&accepted, &function, record),
            Err(problem) => self.refuse(record, &problem.function(&function.name)),
        }
    }

    /// Returns whether a request may ask for it: by the function's configuration, else where only
    /// this machine can send requests. Commands of this machine always may.
    fn may_defer(&self, request: &Request<ClientBody>, function: &Function) -> Result<(), Problem> {
        let said = function.settings.triggers.delivery.from_clients;
        let token = HeaderValue::from_str(&self.token).ok();
        let token = token.filter(|token| !token.is_empty());
        let given = request.headers().get(TOKEN_HEADER);
        let proven = token
            .zip(given)
            .is_some_and(|(token, given)| proves(&token, given));
        let usual = self.options.async_from_clients && forwarded::is_local(request.headers());
        if proven || said.unwrap_or(usual) {
            return Ok(());
        }
        let what = "clients may not ask for asynchronous invocations of this function";
        let hint = format!(
            "set `from_clients = true` in [functions.{}.async] or [async] of fnlocal.toml",
            function.name
        );
        Err(Problem::new(StatusCode::FORBIDDEN, "async_not_allowed", what).hint(hint))
    }

    async fn accept(
        &self,
        triggers: &Triggers,
        asked: AsyncOptions,
        request: Request<ClientBody>,
        peer: &Peer,
        function: &Function,
    ) -> Result<Accepted, Problem> {
        let (parts, mut body) = request.into_parts();
        let holds_back = drain::holds_back(&parts.headers);
        let accepting = self.accept_parts(triggers, asked, parts, &mut body, peer, function);
        let accepted = accepting.await;
        if accepted.is_err() && !holds_back {
            drain::drain(body);
        }
        accepted
    }

    async fn accept_parts(
        &self,
        triggers: &Triggers,
        asked: AsyncOptions,
        mut parts: Parts,
        body: &mut ClientBody,
        peer: &Peer,
        function: &Function,
    ) -> Result<Accepted, Problem> {
        let delivery = &function.settings.triggers.delivery;
        let (no_id, proxies) = (HeaderValue::from_static("-"), &self.options.trusted_proxies);
        headers::to_instance(&mut parts.headers, &no_id, peer, proxies);
        let path = parts.uri.path_and_query();
        let mut job = NewJob {
            function: function.name.to_string(),
            trigger: Trigger::Async,
            path: path.map_or_else(|| format!("/{}", function.name), ToString::to_string),
            headers: texts(&parts)?,
            body: Bytes::new(),
            order: asked.order,
            key: asked.key,
            keep_key_ms: millis(delivery.keep_keys),
            max_age_ms: millis(delivery.max_age),
            dead: None,
        };
        let queue = triggers.queue();
        let reserving = Rc::clone(queue).reserve(&function.name, delivery.queue_bytes);
        let reserved = reserving.and_then(|mut reserved| {
            reserved.grow(job.bytes())?;
            Ok(reserved)
        });
        let mut reserved = reserved.map_err(not_accepted)?;
        let arriving = self.arrive(triggers, body, &mut *reserved, function);
        let (spooled, file) = arriving.await?;
        if let Some(bytes) = spooled.in_memory() {
            job.body = bytes.clone();
        }
        let new = NewJobs {
            jobs: vec![job],
            file,
            room: Some(reserved),
            ..NewJobs::default()
        };
        let accepted = Rc::clone(queue).enqueue(new).await.map_err(not_accepted)?;
        let closed = || not_accepted(QueueStoreError::Closed.into());
        accepted.into_iter().next().ok_or_else(closed)
    }

    /// Reads a job's body to its end. One that is too large for memory is in a file then, and on
    /// disk.
    async fn arrive(
        &self,
        triggers: &Triggers,
        body: &mut ClientBody,
        reserved: &mut dyn ReservedRoom,
        function: &Function,
    ) -> Result<(Spooled, Option<Arc<BodyFile>>), Problem> {
        let small = body.size_hint().upper();
        let small = small.is_some_and(|bytes| bytes <= MEMORY_BYTES as u64);
        let upload = if small {
            None
        } else {
            Some(triggers.upload().await.ok_or_else(too_many)?)
        };
        let file = triggers.queue().body_file();
        let making = file.clone();
        let limits = SpoolLimits {
            // Without a file, the room that is reserved bounds it.
            memory_bytes: file.as_ref().map_or(usize::MAX, |_| MEMORY_BYTES),
            max_bytes: function.settings.body_limit,
            idle: self.options.idle_timeout,
            min_rate: MIN_RATE,
            grace: GRACE,
        };
        let mut full = None;
        let sender = upload.as_ref().map(Upload::sender);
        let room = |more| {
            if let Some(sender) = sender {
                sender.came(more, Instant::now());
            }
            reserved
                .grow(more)
                .map_err(|error| full = Some(error))
                .is_ok()
        };
        let spooling = spool(body, limits, room, move || match &making {
            Some(file) => file.create(),
            None => Err(std::io::Error::from(std::io::ErrorKind::Unsupported)),
        });
        let spooled = match sender {
            Some(sender) => sender.unless_evicted(spooling).await,
            None => spooling.await,
        };
        let spooled = match (spooled, full) {
            (Ok(spooled), _) => spooled,
            (Err(_), Some(error)) => return Err(not_accepted(error)),
            (Err(error), None) => return Err(not_arrived(error)),
        };
        let Some((written, file)) = spooled.file().cloned().zip(file) else {
            return Ok((spooled, None));
        };
        let syncing = Arc::clone(&file);
        let synced = spawn_blocking(move || syncing.sync(&written)).await;
        let synced = synced.map_err(std::io::Error::other).flatten();
        synced.map_err(|error| not_arrived(SpoolError::Disk(error)))?;
        Ok((spooled, Some(file)))
    }

    fn accepted(
        &self,
        accepted: &Accepted,
        function: &Function,
        mut record: AccessRecord,
    ) -> Response<ResponseBody> {
        let id = accepted.id().to_string();
        let body = serde_json::json!({
            "id": id,
            "function": &*function.name,
            "duplicate": matches!(accepted, Accepted::Known(_)),
        });
        let mut response = Response::new(ResponseBody::full(format!("{body}\n")));
        *response.status_mut() = StatusCode::ACCEPTED;
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers::to_refused(response.headers_mut(), &id, &self.node);
        }
        record.head(StatusCode::ACCEPTED, None);
        record.write(None);
        response
    }
}

/// The options that a request gives for its run.
struct AsyncOptions {
    order: Option<String>,
    key: Option<String>,
}

impl AsyncOptions {
    fn read(request: &Request<ClientBody>) -> Result<Self, Problem> {
        let given = request.headers().get(INVOKE);
        if given.is_none_or(|word| word != "async") {
            let what = "x-fnlocal-invoke may say `async` only";
            return Err(bad(what).hint("leave it out to wait for the answer"));
        }
        if request.method() != Method::POST {
            let what = "only POST requests can be run later";
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", what));
        }
        let path = request.uri().path_and_query();
        if path.is_some_and(|path| path.as_str().len() > MAX_PATH_BYTES) {
            let what = format!("the path has more than {MAX_PATH_BYTES} bytes");
            let problem = Problem::new(StatusCode::URI_TOO_LONG, "path_too_long", what);
            return Err(problem.hint("send large values in the body"));
        }
        let key = |name: HeaderName| {
            let Some(value) = request.headers().get(&name) else {
                return Ok(None);
            };
            let text = value.to_str().ok();
            let text = text.filter(|text| (1..=KEY_BYTES).contains(&text.len()));
            let what = format!("{name} must have 1 to {KEY_BYTES} printable characters");
            text.map(|text| Some(text.to_owned()))
                .ok_or_else(|| bad(&what))
        };
        Ok(Self {
            order: key(ORDER)?,
            key: key(KEY)?,
        })
    }
}

/// Headers as they are kept; which speak of this connection, or will be set anew, are not.
fn texts(parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    let anew = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TE,
        headers::REQUEST_ID,
    ];
    let kept = || {
        let all = parts.headers.iter();
        all.filter(|(name, _)| !anew.contains(*name))
    };
    // As they are sent, with a colon, a space and a line's end.
    let bytes = kept().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let path = parts.uri.path_and_query();
    let path = path.map_or(0, |path| path.as_str().len());
    if path + bytes.sum::<usize>() > MAX_HEADER_BYTES {
        let what = format!("path and headers have more than {MAX_HEADER_BYTES} bytes");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let problem = Problem::new(status, "headers_too_large", what);
        return Err(problem.hint("send large values in the body"));
    }
    let kept = kept().map(|(name, value)| {
        let text = std::str::from_utf8(value.as_bytes());
        let text = text.map_err(|_| bad(&format!("the header {name} is not UTF-8")))?;
        Ok((name.to_string(), text.to_owned()))
    });
    kept.collect()
}

/// The problem of a job that was not accepted.
fn not_accepted(error: AcceptError) -> Problem {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    match error {
        AcceptError::Full | AcceptError::FullOfBytes(_) => {
            let mut problem = Problem::new(status, "queue_full", error.to_string());
            problem.retry_after = Some(FULL);
            problem.hint("wait until some have run, or raise `queue_size` in [async]")
        }
        AcceptError::TooLarge(_) => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let problem = Problem::new(status, "body_too_large", error.to_string());
            problem.hint("send a link to what is large")
        }
        AcceptError::Store(error) => {
            let mut problem = Problem::new(status, "queue_unavailable", error.chain());
            problem.retry_after = Some(FULL);
            problem.hint(error.hint())
        }
    }
}

/// The problem of a body that did not arrive.
fn not_arrived(error: SpoolError) -> Problem {
    match error {
        SpoolError::TooLarge(limit) => too_large(limit),
        SpoolError::Evicted => evicted(),
        SpoolError::Disk(source) => {
            let what = format!("the body cannot be written to disk: {source}");
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let mut problem = Problem::new(status, "queue_unavailable", what);
            problem.retry_after = Some(FULL);
            problem.hint("see to the disk of the folder `.fnlocal`")
        }
        SpoolError::TooSlow => {
            let what = format!("the body arrived at less than {MIN_RATE} bytes a second");
            let status = StatusCode::REQUEST_TIMEOUT;
            Problem::new(status, "request_body", what).hint("send a link to what is large")
        }
        SpoolError::Broken(_) | SpoolError::NoRoom => {
            let what = "the request's body did not arrive whole";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "request_body", what)
        }
    }
}

fn too_many() -> Problem {
    let what = "too many large bodies arrive at once";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut problem = Problem::new(status, "too_many_uploads", what);
    problem.retry_after = Some(FULL);
    problem.hint("send fewer at once")
}

/// The problem of a body whose sender was the slowest when there was no more room.
pub(super) fn evicted() -> Problem {
    let what = SpoolError::Evicted.to_string();
    let mut problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "slowest_sender", what);
    problem.retry_after = Some(FULL);
    problem.hint("too many large bodies arrive at once; send it again, and faster")
}

fn bad(what: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_invoke", what)
}

pub(super) fn too_large(limit: u64) -> Problem {
    let what = format!("the body is larger than {limit} bytes");
    let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", what);
    problem.hint("raise `body_limit`, or send a link to what is large")
}
