//! A request's way through an instance.

use std::rc::Rc;
use std::time::{Duration, Instant as Clock};

use fnlocal_core::{RefuseReason, StartKind};
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;

use super::answer::Entry;
use super::body::{Bounds, InstanceLease, Lease, Leased, ResponseBody};
use fnlocal_api::{Cold, Timing};

use super::headers::{self, Provenance};
use super::outgoing::Outgoing;
use super::{Gateway, Problem, tunnel};
use fnlocal_driver::{
    Connection, Consumed, Dispatched, Exchange, ExchangeError, Function, Instance, Outcome,
    Refused, RequestBody, Ticket,
};
use fnlocal_project::BodyMode;

/// How long after a connection broke the runtime may take to say why.
const EXIT_REASON_GRACE: Duration = Duration::from_millis(1500);

/// How an attempt at an instance ended.
enum Attempt {
    Answered(Response<Incoming>, Connection),
    Broke(ExchangeError),
    Refused(Refused),
    /// The function's time is nearly over, and it waits for the client.
    SenderLate,
}

impl Gateway {
    pub(super) async fn forward(
        self: &Rc<Self>,
        mut outgoing: Outgoing,
        request_id: HeaderValue,
        function: Rc<Function>,
        mut entry: Entry,
    ) -> Response<ResponseBody> {
        if let Err(problem) = self.arrive_whole(&mut outgoing, &function).await {
            return self.refuse(entry, &problem);
        }
        let arrived = Clock::now();
        let body = arrived.duration_since(entry.began());
        let trace = outgoing.trace(self.driver.logs().sends_spans());
        let streams = outgoing.sends && function.settings.body == BodyMode::Stream;
        let sending = streams.then(|| Rc::clone(&outgoing.consumed));
        let timeout = function.settings.limits.timeout;
        let ticket = self.driver.arrive(&function, entry.name());
        loop {
            let to = match ticket.outcome().await {
                Outcome::Dispatched(to) => to,
                Outcome::Refused(refused) => {
                    outgoing.turn_away();
                    return self.refused(&function, refused, None, entry).await;
                }
            };
            entry.dispatched(&to, trace);
            let dispatched = Clock::now();
            let sender = slow_sender(sending.as_deref(), timeout);
            match attempt(&ticket, &to, outgoing.request(), sender).await {
                Attempt::Answered(response, connection) => {
                    let timing = Timing {
                        body: if outgoing.sends { body } else { Duration::ZERO },
                        ..timing(&to, arrived, dispatched)
                    };
                    let cold = self.cold(&function, &to, arrived);
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
                Attempt::SenderLate => {
                    // Its instance is asked whether it is idle, and not ended.
                    drop(ticket);
                    return self.client_broke(&function, entry);
                }
                Attempt::Broke(error) => {
                    if outgoing.consumed.broke() {
                        drop(ticket);
                        return self.client_broke(&function, entry);
                    }
                    ticket.failed(outgoing.take_back(error, &to.instance));
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
        entry.timing(timing, cold);
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
        let lease = Lease::Instance(InstanceLease {
            ticket,
            instance: to.instance,
            connection,
            sent: outgoing.sends.then_some(outgoing.consumed),
            entry,
        });
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
                    && let Some(end) = instance.end(EXIT_REASON_GRACE).await
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
    pub(super) fn client_broke(&self, function: &Function, entry: Entry) -> Response<ResponseBody> {
        let problem = Problem::body_broke().function(&function.name);
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

/// Returns shortly before a function's time is over while it still waits for the client's body.
/// The core would end the instance, which is not to blame.
async fn slow_sender(sending: Option<&Consumed>, timeout: Duration) {
    match sending {
        Some(consumed) if !consumed.whole() => {
            tokio::time::sleep(timeout - timeout / 10).await;
            if consumed.waits() {
                return;
            }
        }
        _ => {}
    }
    std::future::pending().await
}

/// Sends the request, unless the core gives up on it first, or its sender is too slow.
async fn attempt(
    ticket: &Ticket,
    to: &Dispatched,
    request: Request<RequestBody>,
    slow_sender: impl Future<Output = ()>,
) -> Attempt {
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
        () = slow_sender => Attempt::SenderLate,
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
