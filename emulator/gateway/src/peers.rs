//! The other nodes, as a gateway sees them.
//!
//! A gateway asks [`Peers`] where a request is served, and sends it there at most once: only what
//! came from a client can be routed ([`fnlocal_core::Entered`]), and what another node sent, which
//! it proves with the run's token, is served where it is.

use fnlocal_api::headers as api_headers;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use fnlocal_core::{Forward, NodeId};
use http::{HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;

use fnlocal_driver::{Connection, ExchangeError, RequestBody};
use fnlocal_runtime::Address;

/// The header by which a node proves that a request comes from it.
pub const FORWARDED: HeaderName = HeaderName::from_static(api_headers::FORWARDED);
/// How long to wait for a connection to another node.
const CONNECT: Duration = Duration::from_secs(2);

/// Knows the other nodes and decides, by [`fnlocal_core::routing`], where requests are served.
///
/// In one process the nodes share what they know; nodes on machines of their own tell each other.
pub trait Peers {
    /// Returns the header value that requests from another node carry.
    fn token(&self) -> &HeaderValue;

    /// Where a request that a client sent here is served. `idle_here` says whether an instance is
    /// idle for it here.
    fn route(&self, function: &str, idle_here: &dyn Fn() -> bool) -> (PeerRoute, Counted);

    /// A node did not answer: nothing is sent there until it is seen again.
    fn lost(&self, node: NodeId);
}

/// Where a request is served.
pub enum PeerRoute {
    /// Where it entered.
    Local,
    /// On another node.
    Remote(Forward, Rc<Link>),
}

/// A request that is counted somewhere until this is dropped.
pub struct Counted(Option<Box<dyn FnOnce()>>);

impl Counted {
    /// Counted until `ended` is called, by dropping it.
    #[must_use]
    pub fn until(ended: impl FnOnce() + 'static) -> Self {
        Self(Some(Box::new(ended)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(ended) = self.0.take() {
            ended();
        }
    }
}

/// The way to another gateway: its address and kept connections.
pub struct Link {
    address: Address,
    idle: RefCell<Vec<Connection>>,
    /// Requests sent that were not answered yet.
    unanswered: watch::Sender<usize>,
}

impl Link {
    /// The way to a gateway that listens on `address`.
    #[must_use]
    pub fn new(address: SocketAddr) -> Rc<Self> {
        Rc::new(Self {
            address: Address::Tcp(address),
            idle: RefCell::default(),
            unanswered: watch::Sender::new(0),
        })
    }

    /// Waits until every request sent here has the head of its answer, or none to come.
    pub async fn answered(&self) {
        let mut unanswered = self.unanswered.subscribe();
        // Its sender lives as long as the link.
        let _open = unanswered.wait_for(|count| *count == 0).await;
    }

    /// Sends a request and returns the head of the response, with the connection to give back when
    /// the body has ended.
    ///
    /// # Errors
    /// [`ExchangeError`], with the request if it was not sent.
    pub async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Connection), ExchangeError> {
        let _unanswered = Unanswered::new(&self.unanswered);
        while let Some(mut connection) = self.take() {
            match connection.send(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(ExchangeError {
                    unsent: Some(back), ..
                }) => request = back,
                Err(error) => return Err(error),
            }
        }
        self.send_anew(request).await
    }

    /// Sends a request on a new connection.
    ///
    /// # Errors
    /// [`ExchangeError`], with the request if it was not sent.
    pub async fn send_anew(
        &self,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Connection), ExchangeError> {
        let unsent = |request, cause| ExchangeError {
            unsent: Some(request),
            cause,
        };
        match tokio::time::timeout(CONNECT, Connection::open(&self.address)).await {
            Ok(Ok(mut connection)) => {
                let response = connection.send(request).await?;
                Ok((response, connection))
            }
            Ok(Err(error)) => Err(unsent(request, format!("cannot connect: {error}"))),
            Err(_) => Err(unsent(request, "no connection in time".to_owned())),
        }
    }

    /// Takes back a connection whose response has ended.
    pub fn put(&self, connection: Connection) {
        if !connection.is_closed() {
            self.idle.borrow_mut().push(connection);
        }
    }

    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(connection) = idle.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }
}

/// One request, until its answer begins or it is given up.
struct Unanswered<'a>(&'a watch::Sender<usize>);

impl<'a> Unanswered<'a> {
    fn new(all: &'a watch::Sender<usize>) -> Self {
        all.send_modify(|count| *count += 1);
        Self(all)
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Returns whether the given value is the token, compared in constant time.
pub fn proves(token: &HeaderValue, given: &HeaderValue) -> bool {
    let (token, given) = (token.as_bytes(), given.as_bytes());
    let differ = given.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && differ == 0
}
