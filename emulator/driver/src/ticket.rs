//! A request's place in the core, from its arrival to its one end.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use fnlocal_core::{Event, RefuseReason, RequestId, Retry, StartKind};

use super::{Driver, Function, Instance};

/// The core's decision on a request.
#[derive(Clone)]
pub enum Outcome {
    /// Send it to this instance.
    Dispatched(Dispatched),
    /// Answer it yourself.
    Refused(Refused),
}

/// Where a request goes.
#[derive(Clone)]
pub struct Dispatched {
    /// To this instance.
    pub instance: Rc<Instance>,
    /// The start kind.
    pub start: StartKind,
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// The reason.
    pub reason: RefuseReason,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
}

/// Requests the core knows, by number. Looked up twice a request, never iterated.
#[allow(
    clippy::disallowed_types,
    reason = "on the hot path, and never iterated"
)]
pub type Waiting = std::collections::HashMap<RequestId, Rc<OutcomeSlot>, BuildNumberHasher>;

/// Request numbers count up, so they are their own hash.
#[derive(Clone, Copy, Default)]
pub struct BuildNumberHasher;

impl std::hash::BuildHasher for BuildNumberHasher {
    type Hasher = NumberHasher;

    fn build_hasher(&self) -> NumberHasher {
        NumberHasher(0)
    }
}

/// Spreads consecutive numbers over the table's high bits.
pub struct NumberHasher(u64);

impl std::hash::Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: Knuth, The Art of Computer Programming, 6.4.
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Where the core's word for a request is left until the request looks.
#[derive(Default)]
pub struct OutcomeSlot {
    outcome: RefCell<Option<Outcome>>,
    waker: RefCell<Option<Waker>>,
}

impl OutcomeSlot {
    /// Leaves the core's word and wakes the request.
    pub fn put(&self, outcome: Outcome) {
        self.outcome.replace(Some(outcome));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_take(&self, waker: &Waker) -> Poll<Outcome> {
        if let Some(outcome) = self.outcome.take() {
            return Poll::Ready(outcome);
        }
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
        Poll::Pending
    }
}

/// A request the core knows about. Dropping it early tells the core that the client left, so no
/// instance stays taken by a request without a client.
pub struct Ticket {
    driver: Rc<Driver>,
    place: Rc<OutcomeSlot>,
    request: RequestId,
    /// The request's id for the instance.
    name: Arc<str>,
    running_on: RefCell<Option<RunningRequest>>,
    ended: Cell<bool>,
}

/// A request an instance works for, until dropped.
pub(super) struct RunningRequest {
    instance: Rc<Instance>,
    name: Arc<str>,
}

impl RunningRequest {
    fn new(instance: &Rc<Instance>, name: &Arc<str>) -> Self {
        instance.begin_request(name);
        Self {
            instance: Rc::clone(instance),
            name: Arc::clone(name),
        }
    }

    pub(super) fn instance(&self) -> &Rc<Instance> {
        &self.instance
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.instance.end_request(&self.name);
    }
}

impl Driver {
    /// Enters a request. Its outcome may be there at once.
    #[must_use]
    pub fn arrive(self: &Rc<Self>, function: &Function, name: Arc<str>) -> Ticket {
        let request = self.new_request();
        let place = Rc::new(OutcomeSlot::default());
        self.requests
            .borrow_mut()
            .insert(request, Rc::clone(&place));
        self.handle(Event::RequestArrived {
            request,
            function: function.id,
        });
        Ticket {
            driver: Rc::clone(self),
            place,
            request,
            name,
            running_on: RefCell::default(),
            ended: Cell::new(false),
        }
    }
}

impl Ticket {
    /// The request's number.
    #[must_use]
    pub fn request(&self) -> RequestId {
        self.request
    }

    /// Waits for the core's next word: where the request goes, or that it is refused. Asked again
    /// while the request runs, it returns only when the core gives up on it.
    pub async fn outcome(&self) -> Outcome {
        let outcome = poll_fn(|cx| self.place.poll_take(cx.waker())).await;
        match &outcome {
            Outcome::Dispatched(to) => {
                let running = RunningRequest::new(&to.instance, &self.name);
                self.running_on.replace(Some(running));
            }
            Outcome::Refused(_) => self.ended.set(true),
        }
        outcome
    }

    /// Waits until the core gives up on a running request.
    pub async fn refused(&self) -> Refused {
        loop {
            if let Outcome::Refused(refused) = self.outcome().await {
                return refused;
            }
        }
    }

    /// The refusal that is there already, if one is.
    #[must_use]
    pub fn refused_now(&self) -> Option<Refused> {
        let Some(Outcome::Refused(refused)) = *self.place.outcome.borrow() else {
            return None;
        };
        self.ended.set(true);
        Some(refused)
    }

    /// The head of the response is here.
    pub fn response_started(&self) {
        self.driver.handle(Event::ResponseStarted {
            request: self.request,
        });
    }

    /// The response ended; the instance can take another request.
    pub fn finished(&self) {
        if !self.ended.replace(true) {
            self.driver.handle(Event::ResponseFinished {
                request: self.request,
            });
        }
    }

    /// The exchange broke. The core answers with another instance or a refusal.
    pub fn failed(&self, retry: Retry) {
        self.running_on.take();
        self.driver.handle(Event::RequestFailed {
            request: self.request,
            retry,
        });
    }

    /// The driver that gave this ticket.
    #[must_use]
    pub fn driver(&self) -> &Rc<Driver> {
        &self.driver
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.driver.requests.borrow_mut().remove(&self.request);
        if self.ended.get() || self.refused_now().is_some() {
            return;
        }
        // The core may have refused it in this very moment; it then ignores the event.
        let request = self.request;
        self.driver.handle(Event::ClientGone { request });
        let running = match self.place.outcome.take() {
            Some(Outcome::Dispatched(to)) => Some(RunningRequest::new(&to.instance, &self.name)),
            _ => self.running_on.take(),
        };
        if let Some(running) = running {
            self.driver.release_when_over(request, running);
        }
    }
}
