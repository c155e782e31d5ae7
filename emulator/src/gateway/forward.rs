//! A request's way through an instance.

use std::rc::Rc;
use std::time::{Duration, Instant as Clock};

use fnlocal_core::{RefuseReason, Retry, StartKind};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;

use super::answer::Entry;
use super::body::{Bounds, Lease, Leased, ResponseBody};
use super::headers::{self, Cold, Provenance, Timing};
use super::{Gateway, Peer, Problem, drain, tunnel};
use crate::driver::{
    ClientBody, Connection, Consumed, Dispatched, Exchange, ExchangeError, Function, Instance,
    Outcome, Refused, RequestBody, Ticket,
};
use crate::runtime::End;

/// How long after a connection broke the runtime may take to say why.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A request on its way, kept so that it can be sent a second time when that is safe.
struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Option<RequestBody>,
    consumed: Rc<Consumed>,
    /// It has a body.
    sends: bool,
    /// Sending it twice does no harm: an idempotent method (RFC 9110, 9.2.2) without a body.
    repeatable: bool,
    /// It shares its connection with others, each with a window of its own (HTTP/2).
    multiplexed: bool,
    /// Its body is not sent before somebody asks for it.
    held_back: bool,
    /// It was sent once and the exchange broke.
    broke_before: bool,
    upgrade: Option<(HeaderValue, OnUpgrade)>,
}

/// How an attempt at an instance ended.
enum Attempt {
    Answered(Response<Incoming>, Connection),
    Broke(ExchangeError),
    Refused(Refused),
}

impl Gateway {
    pub(super) async fn forward(
        self: &Rc<Self>,
        request: Request<Incoming>,
        peer: &Peer,
        function: Rc<Function>,
        mut entry: Entry,
    ) -> Response<ResponseBody> {
        entry.function(function.name.clone());
        let request_id = HeaderValue::from_str(entry.id()).expect("hexadecimal digits");
        let mut outgoing = Outgoing::new(request, &request_id, peer, self.options.idle_timeout);
        let ticket = self.driver.arrive(&function, entry.id());
        loop {
            let to = match ticket.outcome().await {
                Outcome::Dispatched(to) => to,
                Outcome::Refused(refused) => {
                    outgoing.turn_away();
                    return self.refused(&function, refused, None, entry).await;
                }
            };
            let dispatched = Clock::now();
            match attempt(&ticket, &to, outgoing.next()).await {
                Attempt::Answered(response, connection) => {
                    let timing = timing(&to, entry.began(), dispatched);
                    let cold = self.cold(&function, &to, entry.began());
                    let answered = Answered {
                        response,
                        connection,
                        to,
                        ticket,
                        timing,
                        cold,
                        request_id,
                    };
                    return self.pass_on(&function, answered, outgoing, entry);
                }
                Attempt::Refused(refused) => {
                    let on = Some(to.instance);
                    return self.refused(&function, refused, on, entry).await;
                }
                Attempt::Broke(error) => {
                    if outgoing.consumed.broke() {
                        return self.client_broke(&function, ticket, entry);
                    }
                    ticket.failed(outgoing.take_back(error, &to.instance).await);
                    if let Some(refused) = ticket.refused_now() {
                        let on = Some(to.instance);
                        return self.refused(&function, refused, on, entry).await;
                    }
                }
            }
        }
    }

    fn pass_on(
        &self,
        function: &Function,
        answered: Answered,
        outgoing: Outgoing,
        mut entry: Entry,
    ) -> Response<ResponseBody> {
        let Answered {
            response,
            connection,
            to,
            ticket,
            timing,
            cold,
            request_id,
        } = answered;
        ticket.response_started();
        let limit = function.settings.response_limit;
        if let Some(limit) = limit.filter(|limit| response.body().size_hint().lower() > *limit) {
            return self.too_large(function, limit, entry);
        }
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let (mut parts, body) = response.into_parts();
        let upstream = switching
            .then(|| parts.extensions.remove::<OnUpgrade>())
            .flatten();
        parts.version = Version::HTTP_11;
        headers::strip_hop_by_hop(&mut parts.headers);
        let from = Provenance {
            request_id: &request_id,
            start: to.start,
            cold,
            instance: &to.instance.id_header,
            code: to.instance.code_header(),
            node: &self.node,
            timing,
        };
        headers::to_client(&mut parts.headers, from);
        entry.head(parts.status, Some(to.start));
        if let (Some(upstream), Some((protocol, client))) = (upstream, outgoing.upgrade) {
            parts
                .headers
                .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(header::UPGRADE, protocol);
            tunnel::start(
                client,
                upstream,
                ticket,
                entry,
                self.options.idle_timeout,
                self.cut.clone(),
            );
            return Response::from_parts(parts, ResponseBody::empty());
        }
        let lease = Lease {
            ticket,
            instance: to.instance,
            connection,
            sent: outgoing.sends.then_some(outgoing.consumed),
            entry,
        };
        let bounds = Bounds {
            idle_timeout: self.options.idle_timeout,
            multiplexed: outgoing.multiplexed,
            limit,
        };
        let body = Leased::new(body, lease, bounds);
        let body = body.map_or_else(ResponseBody::empty, |body| {
            ResponseBody::Leased(Box::new(body))
        });
        Response::from_parts(parts, body)
    }

    /// What a cold start was for: the first request of a function, or more than it could take.
    fn cold(&self, function: &Function, to: &Dispatched, arrived: Clock) -> Option<Cold> {
        if to.start != StartKind::Cold {
            return None;
        }
        let id = to.instance.id;
        Some(if self.driver.served_before(function.id, arrived, id) {
            Cold::ScaleOut
        } else {
            Cold::First
        })
    }

    async fn refused(
        &self,
        function: &Function,
        refused: Refused,
        on: Option<Rc<Instance>>,
        entry: Entry,
    ) -> Response<ResponseBody> {
        let mut problem = Problem::refused(refused.reason, refused.retry_after);
        problem.function = Some(function.name.to_string());
        match refused.reason {
            RefuseReason::BrokenCode => {
                if let Some(failure) = self.driver.failure_of(function) {
                    problem.detail = failure.summary();
                    problem.hint = failure.hint.clone().or(problem.hint);
                }
            }
            RefuseReason::InstanceDied => {
                if let Some(instance) = on
                    && let Some(end) = instance.end(PATIENCE).await
                {
                    let reason = end.reason;
                    problem.detail = format!("the instance ended before it answered: {reason}");
                }
            }
            RefuseReason::StartFailed => {
                if let Some(why) = self.driver.start_failure(function) {
                    problem.detail = format!("no instance could be started: {why}");
                }
            }
            RefuseReason::Timeout => {
                problem.detail = format!(
                    "the function did not answer within its timeout of {} ms",
                    function.settings.limits.timeout.as_millis()
                );
            }
            _ => {}
        }
        self.refuse(entry, &problem)
    }

    /// The answer is more than may be sent. Dropping its ticket has the instance asked whether it is
    /// idle.
    fn too_large(&self, function: &Function, limit: u64, entry: Entry) -> Response<ResponseBody> {
        let problem = Problem::new(
            StatusCode::BAD_GATEWAY,
            "response_too_large",
            format!("the function answered with more than {limit} bytes"),
        )
        .function(&function.name)
        .hint("raise `response_limit`, or answer with a link to what is large");
        self.refuse(entry, &problem)
    }

    /// The client stopped in the middle of its body: nobody may be there to read this, but a
    /// slow one is.
    fn client_broke(
        &self,
        function: &Function,
        ticket: Ticket,
        entry: Entry,
    ) -> Response<ResponseBody> {
        drop(ticket);
        let problem = Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_body",
            "the request's body did not arrive whole",
        )
        .function(&function.name);
        self.refuse(entry, &problem)
    }
}

struct Answered {
    response: Response<Incoming>,
    connection: Connection,
    to: Dispatched,
    ticket: Ticket,
    timing: Timing,
    cold: Option<Cold>,
    request_id: HeaderValue,
}

/// Sends the request, unless the core gives up on it first.
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

fn timing(to: &Dispatched, arrived: Clock, dispatched: Clock) -> Timing {
    let waited = dispatched.duration_since(arrived);
    let mut timing = Timing {
        handler: dispatched.elapsed(),
        ..Timing::default()
    };
    if matches!(to.start, StartKind::Cold | StartKind::Spare) {
        timing.import = to.instance.import();
    }
    if to.start == StartKind::Cold
        && let Some(started) = to.instance.started()
    {
        timing.create = started.create;
        timing.boot = started.boot;
    }
    timing.queue = waited.saturating_sub(timing.create + timing.boot + timing.import);
    timing
}

impl Outgoing {
    fn new(
        request: Request<Incoming>,
        request_id: &HeaderValue,
        peer: &Peer,
        stall: Duration,
    ) -> Self {
        let (mut parts, body) = request.into_parts();
        let upgrade = take_upgrade(&mut parts);
        let consumed = Rc::new(Consumed::default());
        let empty = body.is_end_stream();
        if let Some(authority) = parts.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            // HTTP/2's :authority, or an absolute-form target, which outranks Host: RFC 9112, 3.2.2.
            parts.headers.insert(header::HOST, host);
        }
        let held_back = drain::holds_back(&parts.headers);
        headers::to_instance(&mut parts.headers, request_id, peer);
        if !empty && body.size_hint().exact().is_none() {
            // Else hyper sends no body at all with GET and HEAD.
            let chunked = HeaderValue::from_static("chunked");
            parts.headers.insert(header::TRANSFER_ENCODING, chunked);
        }
        if let Some((protocol, _)) = &upgrade {
            let connection = HeaderValue::from_static("upgrade");
            parts.headers.insert(header::CONNECTION, connection);
            parts.headers.insert(header::UPGRADE, protocol.clone());
        }
        let uri = parts
            .uri
            .into_parts()
            .path_and_query
            .map_or_else(|| Uri::from_static("/"), Uri::from);
        Self {
            multiplexed: parts.version == Version::HTTP_2,
            held_back,
            broke_before: false,
            sends: !empty,
            repeatable: empty && parts.method.is_idempotent() && upgrade.is_none(),
            method: parts.method,
            uri,
            headers: parts.headers,
            body: Some(if empty {
                RequestBody::Empty
            } else {
                let consumed = Rc::clone(&consumed);
                RequestBody::Client(Box::new(ClientBody::new(body, consumed, stall)))
            }),
            consumed,
            upgrade,
        }
    }

    /// The request to send now.
    fn next(&mut self) -> Request<RequestBody> {
        let mut request = Request::new(self.body.take().unwrap_or(RequestBody::Empty));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = if self.repeatable {
            self.headers.clone()
        } else {
            std::mem::take(&mut self.headers)
        };
        request
    }

    /// No instance will be sent it.
    fn turn_away(self) {
        if let Some(body) = self.body.filter(|_| !self.held_back) {
            drain::drain(body);
        }
    }

    /// Takes back what was not sent, and says whether another attempt may be made.
    async fn take_back(&mut self, error: ExchangeError, instance: &Instance) -> Retry {
        if let Some(unsent) = error.unsent {
            let (parts, body) = unsent.into_parts();
            self.headers = parts.headers;
            self.body = Some(body);
            return Retry::Free;
        }
        if !self.repeatable {
            return Retry::No;
        }
        // The first time it is tried again at once. After that it matters who is to blame.
        if !self.broke_before {
            self.broke_before = true;
            return Retry::Once;
        }
        match instance.end(PATIENCE).await {
            Some(End { outside: true, .. }) => Retry::Free,
            _ => Retry::No,
        }
    }
}

/// A request to switch protocols, such as to WebSocket, with the client's end of it.
fn take_upgrade(parts: &mut http::request::Parts) -> Option<(HeaderValue, OnUpgrade)> {
    let protocol = parts.headers.get(header::UPGRADE)?.clone();
    let asked = parts
        .headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    // `Upgrade: h2c` would take the connection out of the gateway's sight.
    if !asked || protocol.as_bytes().eq_ignore_ascii_case(b"h2c") {
        return None;
    }
    Some((protocol, parts.extensions.remove::<OnUpgrade>()?))
}
