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

use super::answer::Entry;
use super::peers::Link;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is sent to a client.
pub enum ResponseBody {
    /// A text of ours.
    Full(Option<Bytes>),
    /// The platform's router's.
    Platform(axum::body::Body),
    /// A function's, as it comes.
    Leased(Box<Leased>),
}

impl ResponseBody {
    /// A text of ours.
    #[must_use]
    pub fn full(text: impl Into<Bytes>) -> Self {
        Self::Full(Some(text.into()))
    }

    /// Nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::Full(None)
    }
}

/// A function's body. Holds the instance until its last byte was taken over, or gives it up when
/// the client leaves.
pub struct Leased {
    body: Incoming,
    held: Rc<Held>,
    idle_timeout: Duration,
    /// Bytes that may still come; none for no bound.
    left: Option<u64>,
    idle: Option<Pin<Box<Sleep>>>,
}

/// What a body is held to.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time without a byte after which it is ended.
    pub idle_timeout: Duration,
    /// Its client may hold up this stream alone, which takes a watch.
    pub multiplexed: bool,
    /// Bytes at the most.
    pub limit: Option<u64>,
}

/// A lease that is given back by whoever is first: the last byte, or a watch on the client.
struct Held {
    lease: RefCell<Option<Lease>>,
    /// When the client last took something.
    moved: Cell<Instant>,
}

impl Held {
    /// Gives the lease up when the client takes nothing for `timeout`. hyper does not ask for more
    /// of a body whose HTTP/2 stream has no window, so a timer inside the body would never be seen.
    async fn watch(held: Weak<Self>, timeout: Duration) {
        while let Some(strong) = held.upgrade() {
            let end = strong.moved.get() + timeout;
            if end <= Instant::now() {
                // The instance is not to blame: dropping the ticket has it asked whether it is idle.
                if let Some(lease) = strong.lease.take() {
                    lease.give_up("idle_timeout");
                }
                return;
            }
            drop(strong);
            tokio::time::sleep_until(end).await;
        }
    }
}

/// What is given back when a response ends.
pub enum Lease {
    /// An instance's.
    Instance(InstanceLease),
    /// Another gateway's.
    Node(NodeLease),
}

/// What is given back when an instance's response ends.
pub struct InstanceLease {
    /// The request's place in the core.
    pub ticket: Ticket,
    /// Who served it.
    pub instance: Rc<Instance>,
    /// The connection it was served on.
    pub connection: Connection,
    /// How far the client's own body went; none when it sent none.
    pub sent: Option<Rc<Consumed>>,
    /// Its line in the log.
    pub entry: Entry,
}

/// What is given back when the response of another gateway ends.
pub struct NodeLease {
    /// The way there.
    pub link: Rc<Link>,
    /// The connection it was served on.
    pub connection: Connection,
    /// How far the client's own body went; none when it sent none.
    pub sent: Option<Rc<Consumed>>,
    /// Its line in the log.
    pub entry: Entry,
}

impl Lease {
    fn finish(self) {
        // A handler may answer before it was sent everything. The next request would wait on this
        // connection for as long as this client takes to send the rest.
        match self {
            Self::Instance(lease) => {
                if lease.sent.is_none_or(|sent| sent.whole()) {
                    lease.instance.put_connection(lease.connection);
                }
                lease.ticket.finished();
                lease.entry.write(None);
            }
            Self::Node(lease) => {
                if lease.sent.is_none_or(|sent| sent.whole()) {
                    lease.link.put(lease.connection);
                }
                lease.entry.write(None);
            }
        }
    }

    fn fail(self, problem: &'static str) {
        match self {
            // The client's own body broke the exchange. The instance is not to blame: dropping the
            // ticket has it asked whether it is idle.
            Self::Instance(lease) if lease.sent.as_ref().is_some_and(|sent| sent.broke()) => {
                lease.entry.write(Some("request_body"));
            }
            Self::Instance(lease) => {
                lease.ticket.failed(Retry::No);
                lease.entry.write(Some(problem));
            }
            Self::Node(lease) => lease.entry.write(Some(problem)),
        }
    }

    /// Dropping the ticket tells the core; dropping the connection tells who serves it.
    fn give_up(self, problem: &'static str) {
        let (Self::Instance(InstanceLease { entry, .. }) | Self::Node(NodeLease { entry, .. })) =
            self;
        entry.write(Some(problem));
    }
}

impl Leased {
    /// A body that ends its lease with its last byte. `None` when it is empty already.
    #[must_use]
    pub fn new(body: Incoming, lease: Lease, bounds: Bounds) -> Option<Self> {
        if body.is_end_stream() {
            lease.finish();
            return None;
        }
        let held = Rc::new(Held {
            lease: RefCell::new(Some(lease)),
            moved: Cell::new(Instant::now()),
        });
        if bounds.multiplexed {
            let watch = Held::watch(Rc::downgrade(&held), bounds.idle_timeout);
            tokio::task::spawn_local(watch);
        }
        Some(Self {
            body,
            held,
            idle_timeout: bounds.idle_timeout,
            left: bounds.limit,
            idle: None,
        })
    }

    /// Counts a frame; false when it is more than may come.
    fn takes(&mut self, frame: &Frame<Bytes>) -> bool {
        let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) else {
            return true;
        };
        let rest = left.checked_sub(data.len() as u64);
        *left = rest.unwrap_or_default();
        rest.is_some()
    }

    fn finish(&mut self) {
        if let Some(lease) = self.held.lease.take() {
            lease.finish();
        }
    }

    fn fail(&mut self, problem: &'static str) {
        if let Some(lease) = self.held.lease.take() {
            lease.fail(problem);
        }
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.finish();
        } else if let Some(lease) = self.held.lease.take() {
            lease.give_up("client_gone");
        }
    }
}

impl Body for Leased {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if !self.takes(&frame) {
                    if let Some(lease) = self.held.lease.take() {
                        lease.give_up("response_too_large");
                    }
                    let why = "the function answered with more than its response_limit";
                    return Poll::Ready(Some(Err(why.into())));
                }
                self.idle = None;
                if Rc::weak_count(&self.held) > 0 {
                    self.held.moved.set(Instant::now());
                }
                if self.body.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.fail("instance_died");
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending => {
                let timeout = self.idle_timeout;
                let idle = self
                    .idle
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                ready!(idle.as_mut().poll(cx));
                // The instance is not to blame: dropping the ticket has it asked whether it is idle.
                if let Some(lease) = self.held.lease.take() {
                    lease.give_up("idle_timeout");
                }
                Poll::Ready(Some(Err("no byte came within the idle timeout".into())))
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
            Self::Leased(body) => Pin::new(&mut **body).poll_frame(cx),
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
