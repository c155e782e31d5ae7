//! The body of an answer, and what must happen when it ends.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use fnlocal_core::Retry;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use fnlocal_driver::{Connection, Consumed, Instance, Ticket};

use super::access_log::AccessRecord;
use super::outgoing::OutgoingRequest;
use super::peers::Link;
use super::{BoxError, headers};

/// The body that a client receives.
pub enum ResponseBody {
    /// A text of ours.
    Full(Option<Bytes>),
    /// The platform's router's.
    Platform(axum::body::Body),
    /// A function's, as it comes.
    Leased(Box<LeasedBody>),
}

impl ResponseBody {
    /// A text of ours.
    #[must_use]
    pub fn full(text: impl Into<Bytes>) -> Self {
        Self::Full(Some(text.into()))
    }

    #[must_use]
    pub fn empty() -> Self {
        Self::Full(None)
    }
}

/// A function's body. Holds the instance until its last byte was taken over, or gives it up when
/// its reader leaves.
pub struct LeasedBody {
    body: Incoming,
    guard: Rc<LeaseGuard>,
    idle_timeout: Duration,
    /// Bytes that may still come; `None` for no bound.
    left: Option<u64>,
    idle: Option<Pin<Box<Sleep>>>,
}

/// Why an answer's body does not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum AnswerBodyError {
    /// The body has more bytes than its bound.
    #[error("the function answered with more than its response_limit")]
    TooLarge,
    /// No byte came within the idle timeout.
    #[error("no byte came within the idle timeout")]
    Idle,
    /// Its connection broke.
    #[error("the instance ended in the middle of its answer")]
    Broken(#[source] hyper::Error),
}

/// The bounds of a body.
#[derive(Clone, Copy, Debug)]
pub struct BodyBounds {
    /// Time without a byte after which it is ended.
    pub idle_timeout: Duration,
    /// Its client may hold up this stream alone, which takes a watch.
    pub multiplexed: bool,
    /// The maximum number of bytes; `None` for no bound.
    pub limit: Option<u64>,
}

/// A lease that is given back by whatever is first: the last byte, or a watch on the client.
struct LeaseGuard {
    lease: RefCell<Option<Lease>>,
    /// When the client last took something.
    moved: Cell<Instant>,
}

impl LeaseGuard {
    /// Ends the lease, unless it has ended.
    fn end(&self, end: impl FnOnce(Lease)) {
        if let Some(lease) = self.lease.take() {
            end(lease);
        }
    }

    /// Gives the lease up when the client takes nothing for `timeout`. hyper does not ask for more
    /// of a body whose HTTP/2 stream has no window, so a timer inside the body would never be seen.
    async fn watch(guard: Weak<Self>, timeout: Duration) {
        while let Some(strong) = guard.upgrade() {
            let end = strong.moved.get() + timeout;
            if end <= Instant::now() {
                // The instance is not to blame: dropping the ticket has it asked whether it is idle.
                strong.end(|lease| lease.give_up("idle_timeout"));
                return;
            }
            drop(strong);
            tokio::time::sleep_until(end).await;
        }
    }
}

/// The instance or slot that is given back when an answer ends.
pub struct Lease {
    /// The answering side.
    pub upstream: Upstream,
    /// The connection the answer comes on.
    pub connection: Connection,
    /// How far the request's own body went; `None` if none is left behind the answer.
    pub sent: Option<Rc<Consumed>>,
    /// The request's record; `None` if what reads the answer writes one itself.
    pub record: Option<AccessRecord>,
    /// The handler works on after its answer.
    pub background: bool,
}

/// The side that answers a request.
pub enum Upstream {
    /// An instance, for the request of a ticket.
    Instance(Rc<Instance>, Ticket),
    /// Another gateway.
    Node(Rc<Link>),
}

impl Lease {
    /// Returns the lease of another gateway's answer.
    #[must_use]
    pub fn from_node(link: Rc<Link>, connection: Connection, outgoing: &OutgoingRequest) -> Self {
        Self {
            upstream: Upstream::Node(link),
            connection,
            sent: outgoing.sent.clone(),
            record: None,
            background: false,
        }
    }

    fn finish(self) {
        // A handler may answer before it was sent everything. The next request would wait on this
        // connection for as long as this client takes to send the rest.
        let is_free = self.sent.is_none_or(|sent| sent.whole());
        match self.upstream {
            Upstream::Instance(instance, ticket) => {
                if is_free {
                    instance.put_connection(self.connection);
                }
                // Dropping the ticket has the instance asked when it is idle.
                if !self.background {
                    ticket.finished();
                }
            }
            Upstream::Node(link) if is_free => link.put(self.connection),
            Upstream::Node(_) => {}
        }
        if let Some(record) = self.record {
            record.write(None);
        }
    }

    /// The connection broke.
    fn fail(self) {
        let mut problem = "instance_died";
        if let Upstream::Instance(_, ticket) = &self.upstream {
            if self.sent.as_ref().is_some_and(|sent| sent.broke()) {
                // The client's own body broke the exchange. The instance is not to blame: dropping
                // the ticket has it asked whether it is idle.
                problem = "request_body";
            } else {
                ticket.failed(Retry::No);
            }
        }
        self.give_up(problem);
    }

    /// Dropping the ticket tells the core; dropping the connection tells what serves it.
    fn give_up(self, problem: &'static str) {
        if let Some(record) = self.record {
            record.write(Some(problem));
        }
    }
}

impl LeasedBody {
    /// A body that ends its lease with its last byte. `None` if it is empty already.
    #[must_use]
    pub fn new(body: Incoming, lease: Lease, bounds: BodyBounds) -> Option<Self> {
        if body.is_end_stream() {
            lease.finish();
            return None;
        }
        let guard = Rc::new(LeaseGuard {
            lease: RefCell::new(Some(lease)),
            moved: Cell::new(Instant::now()),
        });
        if bounds.multiplexed {
            let watch = LeaseGuard::watch(Rc::downgrade(&guard), bounds.idle_timeout);
            tokio::task::spawn_local(watch);
        }
        Some(Self {
            body,
            guard,
            idle_timeout: bounds.idle_timeout,
            left: bounds.limit,
            idle: None,
        })
    }

    /// Counts a frame. Returns `false` if it is more than may come.
    fn takes(&mut self, frame: &Frame<Bytes>) -> bool {
        let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) else {
            return true;
        };
        let rest = left.checked_sub(data.len() as u64);
        *left = rest.unwrap_or_default();
        rest.is_some()
    }
}

impl Drop for LeasedBody {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.guard.end(Lease::finish);
        } else {
            self.guard.end(|lease| lease.give_up("client_gone"));
        }
    }
}

impl Body for LeasedBody {
    type Data = Bytes;
    type Error = AnswerBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerBodyError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    headers::strip_trailers(trailers);
                }
                if !self.takes(&frame) {
                    self.guard.end(|lease| lease.give_up("response_too_large"));
                    return Poll::Ready(Some(Err(AnswerBodyError::TooLarge)));
                }
                self.idle = None;
                if Rc::weak_count(&self.guard) > 0 {
                    self.guard.moved.set(Instant::now());
                }
                if self.body.is_end_stream() {
                    self.guard.end(Lease::finish);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.guard.end(Lease::finish);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.guard.end(Lease::fail);
                Poll::Ready(Some(Err(AnswerBodyError::Broken(error))))
            }
            Poll::Pending => {
                let timeout = self.idle_timeout;
                let idle = self
                    .idle
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                ready!(idle.as_mut().poll(cx));
                // The instance is not to blame: dropping the ticket has it asked whether it is idle.
                self.guard.end(|lease| lease.give_up("idle_timeout"));
                Poll::Ready(Some(Err(AnswerBodyError::Idle)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Platform(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Leased(body) => Pin::new(&mut **body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Platform(body) => body.is_end_stream(),
            Self::Leased(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Platform(body) => body.size_hint(),
            Self::Leased(body) => body.size_hint(),
        }
    }
}
