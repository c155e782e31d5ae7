//! One request on one of an instance's kept connections.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{BoxError, Instance};
use fnlocal_runtime::Address;

/// The maximum number of connections tried for one request: one that was closed before the request
/// was sent does not count against it.
const ATTEMPTS: usize = 4;

/// A connection to a wrapper, kept for one request after another.
pub struct Connection {
    sender: http1::SendRequest<RequestBody>,
}

impl Connection {
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Connects to a wrapper, or takes a connection that it has dialed, waiting for one.
    ///
    /// # Errors
    /// When nothing is there (any more).
    pub async fn open(address: &Address) -> std::io::Result<Self> {
        match address {
            Address::Dialed(listener) => Self::shake(listener.accept().await?).await,
            Address::Tcp(at) => {
                let stream = TcpStream::connect(at).await?;
                stream.set_nodelay(true)?;
                Self::shake(stream).await
            }
        }
    }

    async fn shake<S>(stream: S) -> std::io::Result<Self>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        // Ends by itself when the wrapper closes or this sender is dropped; its error reaches
        // whoever waits for the response.
        tokio::task::spawn_local(async move {
            let _told_elsewhere = connection.with_upgrades().await;
        });
        Ok(Self { sender })
    }
}

/// Why an exchange came to nothing.
pub struct ExchangeError {
    /// The request never left, so any other instance may take it.
    pub unsent: Option<Request<RequestBody>>,
    /// The failure, for the log.
    pub cause: String,
}

impl Instance {
    /// Sends a request and returns the head of the response, with the connection to give back
    /// when the body has ended.
    ///
    /// # Errors
    /// [`ExchangeError`], with the request if it was not sent.
    pub async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Connection), ExchangeError> {
        let mut cause = String::new();
        for _ in 0..ATTEMPTS {
            let mut connection = match self.connection().await {
                Ok(connection) => connection,
                Err(error) => {
                    cause = error;
                    break;
                }
            };
            match connection.send(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(ExchangeError {
                    unsent: Some(back),
                    cause: why,
                }) => (request, cause) = (back, why),
                Err(error) => return Err(error),
            }
        }
        Err(ExchangeError {
            unsent: Some(request),
            cause,
        })
    }

    async fn connection(&self) -> Result<Connection, String> {
        if let Some(kept) = self.take_connection() {
            return Ok(kept);
        }
        let started = self.started();
        let started = started.ok_or("the instance has no address yet")?;
        let opened = Connection::open(&started.address).await;
        opened.map_err(|error| format!("cannot connect: {error}"))
    }
}

impl Connection {
    /// Sends a request and returns the head of the response.
    ///
    /// # Errors
    /// [`ExchangeError`], with the request if it was not sent.
    pub async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        if let Err(error) = self.sender.ready().await {
            return Err(ExchangeError {
                unsent: Some(request),
                cause: error.to_string(),
            });
        }
        self.sender
            .try_send_request(request)
            .await
            .map_err(|mut failed| ExchangeError {
                unsent: failed.take_message(),
                cause: failed.into_error().to_string(),
            })
    }
}

/// The body that a wrapper receives.
pub enum RequestBody {
    Empty,
    /// A few bytes.
    Full(Option<Bytes>),
    /// Any other.
    Tracked(TrackedBody),
}

/// A body that counts how far it was sent.
pub struct TrackedBody {
    body: Pin<Box<dyn Body<Data = Bytes, Error = BoxError>>>,
    consumed: Rc<Consumed>,
}

impl TrackedBody {
    /// A body that tells `consumed` how far it went.
    #[must_use]
    pub fn new(
        body: impl Body<Data = Bytes, Error = BoxError> + 'static,
        consumed: Rc<Consumed>,
    ) -> Self {
        Self {
            body: Box::pin(body),
            consumed,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.body.as_mut().poll_frame(cx);
        self.consumed.waits.set(polled.is_pending());
        let frame = ready!(polled);
        if let Some(Err(_)) = &frame {
            self.consumed.failed.set(true);
        }
        let last = self.body.is_end_stream() || frame.is_none();
        self.consumed.whole.set(last);
        Poll::Ready(frame)
    }
}

/// How far a body went.
#[derive(Default)]
pub struct Consumed {
    failed: Cell<bool>,
    whole: Cell<bool>,
    waits: Cell<bool>,
}

impl Consumed {
    /// The last of it was taken: the connection it goes over is free for the next request.
    #[must_use]
    pub fn whole(&self) -> bool {
        self.whole.get()
    }

    /// More of it was asked for, and the client has not sent it yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits.get()
    }

    /// The client broke off or stalled while sending.
    #[must_use]
    pub fn broke(&self) -> bool {
        self.failed.get()
    }
}

impl RequestBody {
    /// JSON for a control call.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self::Full(Some(Bytes::from(value.to_string())))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Tracked(body) => body.poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_none(),
            Self::Tracked(body) => body.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Tracked(body) => body.body.size_hint(),
        }
    }
}
