//! One invocation of a function: the attempts at its instances, up to the head of an answer.
//!
//! Clients' requests and the queue's jobs both come this way. How often an invocation is tried is
//! decided here and in [`super::outgoing`]; what is said of one without an answer is in
//! [`super::no_answer`].

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use fnlocal_api::Timing;
use fnlocal_core::StartKind;
use http::{Response, StatusCode};
use hyper::body::{Body, Incoming};
use tracing::{Span, debug};

use super::body::{Lease, Upstream};
use super::headers;
use super::no_answer::NoAnswerReason;
use super::outgoing::OutgoingRequest;
use fnlocal_driver::{
    Connection, Consumed, Dispatched, Driver, ExchangeError, Function, Outcome, Refused, Ticket,
};

/// A function to invoke.
pub(crate) struct FunctionInvocation<'a> {
    /// Has its instances.
    pub driver: &'a Rc<Driver>,
    /// The function.
    pub function: &'a Function,
    /// The invocation's id for the instance.
    pub name: Arc<str>,
    /// The span for diagnosis.
    pub span: Span,
}

/// The head of an answer, with its body to come.
pub(crate) struct Answered {
    /// The response of the instance.
    pub response: Response<Incoming>,
    /// Given back when the body has ended.
    pub lease: Lease,
    /// The answering instance.
    pub to: Dispatched,
    /// When the invocation arrived.
    pub arrived: Clock,
    /// When the instance that answered was asked.
    pub dispatched: Clock,
    /// Where the time went until now.
    pub timing: Timing,
}

/// How an attempt at an instance ended.
enum Attempt {
    Answered(Response<Incoming>, Connection),
    Broke(ExchangeError),
    Refused(Refused),
    /// The function's time is nearly over, and it waits for the client.
    SenderLate,
}

impl FunctionInvocation<'_> {
    /// Sends a request to instances of the function until one answers. `asks` is called with each.
    pub(crate) async fn answer(
        self,
        outgoing: &mut OutgoingRequest,
        mut asks: impl FnMut(&Dispatched),
    ) -> Result<Answered, NoAnswerReason> {
        let arrived = Clock::now();
        let ticket = self.driver.arrive(self.function, Arc::clone(&self.name));
        loop {
            let to = match ticket.outcome().await {
                Outcome::Dispatched(to) => to,
                Outcome::Refused(refused) => return Err(NoAnswerReason::Refused(refused, None)),
            };
            asks(&to);
            let dispatched = Clock::now();
            let error = match self.attempt(&ticket, &to, outgoing).await {
                Attempt::Answered(response, connection) => {
                    let timing = timing(&to, arrived, dispatched);
                    self.begin_response(&ticket, outgoing, &response)?;
                    let lease = Lease {
                        upstream: Upstream::Instance(Rc::clone(&to.instance), ticket),
                        connection,
                        sent: outgoing.sent.clone(),
                        record: None,
                        background: response.headers().contains_key(headers::BACKGROUND),
                    };
                    return Ok(Answered {
                        response,
                        lease,
                        to,
                        arrived,
                        dispatched,
                        timing,
                    });
                }
                Attempt::Refused(refused) => {
                    return Err(NoAnswerReason::Refused(refused, Some(to.instance)));
                }
                // The instance is not to blame: dropping the ticket has it asked whether it is idle.
                Attempt::SenderLate => return Err(NoAnswerReason::BodyBroke),
                Attempt::Broke(error) => error,
            };
            debug!(parent: &self.span, cause = %error.cause, "the exchange broke");
            if outgoing.client_broke() {
                return Err(NoAnswerReason::BodyBroke);
            }
            ticket.failed(outgoing.take_back(error, &to.instance));
            if let Some(refused) = ticket.refused_now() {
                return Err(NoAnswerReason::Refused(refused, Some(to.instance)));
            }
        }
    }

    /// Sends the request, unless the core gives up on it first, or its sender is too slow.
    async fn attempt(
        &self,
        ticket: &Ticket,
        to: &Dispatched,
        outgoing: &mut OutgoingRequest,
    ) -> Attempt {
        let timeout = self.function.settings.limits.timeout;
        let slow_sender = slow_sender(outgoing.streamed(), timeout);
        tokio::select! {
            biased;
            sent = to.instance.send(outgoing.request()) => match sent {
                Ok((response, connection)) => Attempt::Answered(response, connection),
                Err(error) => Attempt::Broke(error),
            },
            refused = ticket.refused() => Attempt::Refused(refused),
            () = slow_sender => Attempt::SenderLate,
        }
    }

    /// Tells the core of the answer, and refuses one that is no answer to the request, or whose head
    /// says that it is too large.
    fn begin_response(
        &self,
        ticket: &Ticket,
        outgoing: &OutgoingRequest,
        response: &Response<Incoming>,
    ) -> Result<(), NoAnswerReason> {
        ticket.response_started();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && outgoing.upgrade.is_none() {
            return Err(NoAnswerReason::UnexpectedUpgrade);
        }
        let limit = self.function.settings.response_limit;
        match limit.filter(|limit| response.body().size_hint().lower() > *limit) {
            Some(limit) => Err(NoAnswerReason::TooLarge(limit)),
            None => Ok(()),
        }
    }
}

/// Returns shortly before a function's time is over while it still waits for the client's body.
/// The core would end the instance, which is not to blame.
async fn slow_sender(streamed: Option<Rc<Consumed>>, timeout: Duration) {
    if let Some(consumed) = streamed.filter(|consumed| !consumed.whole()) {
        tokio::time::sleep(timeout - timeout / 10).await;
        if consumed.waits() {
            return;
        }
    }
    std::future::pending().await
}

fn timing(to: &Dispatched, arrived: Clock, dispatched: Clock) -> Timing {
    let waited = dispatched.duration_since(arrived);
    let mut timing = Timing {
        handler: dispatched.elapsed(),
        ..Timing::default()
    };
    if to.start.imports() {
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
