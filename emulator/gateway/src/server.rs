//! Takes connections: HTTP/1.1 and HTTP/2 without TLS on one port.
//!
//! Every state of a connection has a deadline: [`super::activity`] has those of the connection,
//! [`super::client_body`] that of a body on its way here, [`super::stall`] that of bytes on their
//! way out. [`super::tunnel`] watches connections that switched to another protocol.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Deadlines, RequestUnderWay};
use super::client_body::ClientBody;
use super::connections::Connections;
use super::head_stream::HeadStream;
use super::refused_head::HeadBounds;
use super::{GatewayOptions, Peer, Problem, ResponseBody, stall};
use fnlocal_logs::Logs;

/// The time an overdue connection has to take a farewell (HTTP/2's GOAWAY) and to finish what is
/// still on its way.
const CLOSING_GRACE: Duration = Duration::from_secs(5);
/// Bytes of a stream's answer that may wait for its client (HTTP/2).
const MAX_UNSENT: usize = 64 * 1024;
/// Streams of a connection that may be open at once (HTTP/2).
const MAX_STREAMS: u32 = 250;

/// The minimum of what is read of a head, in bytes: hyper's own.
const MIN_READ: usize = 16 * 1024;

/// The receiver of requests.
pub trait Answer: 'static {
    /// Answers one request.
    fn answer(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Rc<Peer>,
    ) -> impl Future<Output = Response<ResponseBody>> + 'static;
}

/// Serves connections on one port.
pub struct Server {
    /// Its timeouts and bounds.
    pub options: GatewayOptions,
    /// The log for trouble.
    pub logs: Logs,
    /// Breaks all connections off when cancelled.
    pub cut: CancellationToken,
    /// Counts the connections.
    pub open: watch::Sender<usize>,
}

impl Server {
    /// Accepts connections until `stop`, then lets those under way finish within the drain
    /// timeout.
    pub async fn serve<A: Answer>(
        self,
        answers: Rc<A>,
        listener: TcpListener,
        stop: CancellationToken,
    ) {
        let connections = Connections::new(self.options.max_connections, &self.logs);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.accept_failed(&error).await;
                    continue;
                }
            };
            let place = tokio::select! {
                place = connections.place() => place,
                () = stop.cancelled() => break,
            };
            self.connection(&answers, (stream, address), &connections, place, &stop);
        }
        drop(listener);
        let mut open = self.open.subscribe();
        let ended = open.wait_for(|count| *count == 0);
        let finished = tokio::time::timeout(self.options.drain_timeout, ended)
            .await
            .is_ok();
        if !finished {
            self.cut.cancel();
            self.logs.warn(format!(
                "some requests did not end within {} s and were cut off",
                self.options.drain_timeout.as_secs()
            ));
        }
    }

    /// Out of file descriptors, most likely: waiting lets some connection end first.
    async fn accept_failed(&self, error: &std::io::Error) {
        self.logs
            .warn(format!("a connection could not be accepted: {error}"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn connection<A: Answer>(
        &self,
        answers: &Rc<A>,
        (stream, address): (TcpStream, SocketAddr),
        connections: &Rc<Connections>,
        place: Option<OwnedSemaphorePermit>,
        stop: &CancellationToken,
    ) {
        // A socket that is already gone is found out by the first read.
        let _gone = stream.set_nodelay(true);
        let activity = Activity::begin();
        let listed = connections.list(&activity);
        let idle_timeout = self.options.idle_timeout;
        let stream = stall::Stall::new(stream, idle_timeout, &activity, place);
        let max_bytes = self.options.max_header_size;
        let io = TokioIo::new(HeadStream::new(stream, &activity, HeadBounds { max_bytes }));
        let deadlines = Deadlines {
            head: self.options.head_timeout,
            idle: idle_timeout,
        };
        let service = service(answers, address, &activity, idle_timeout);
        let connection = protocols(deadlines.head, max_bytes)
            .serve_connection_with_upgrades(io, service)
            .into_owned();
        let (cut, stop) = (self.cut.clone(), stop.clone());
        let open = self.open.clone();
        let counted = Open::new(open);
        let (logs, node) = (self.logs.clone(), self.options.node.clone());
        tokio::task::spawn_local(async move {
            let mut connection = pin!(connection);
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                () = activity.reclaimed() => {}
                // A client's broken connection is its own affair.
                _ended = &mut connection => activity.switch(),
                () = activity.overdue(deadlines) => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        () = cut.cancelled() => {}
                        _ended = tokio::time::timeout(CLOSING_GRACE, connection) => {}
                    }
                }
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        () = cut.cancelled() => {}
                        _ended = connection => activity.switch(),
                    }
                }
            }
            if let Some(refused) = activity.take_refused() {
                logs.send(refused.record(&node));
            }
            drop((counted, listed));
        });
    }
}

/// HTTP/1.1 and HTTP/2 with their bounds. hyper's own deadline for heads is not used. hyper reads
/// heads of twice the size that is allowed, so that most that are too large are still answered as
/// requests.
fn protocols(keep_alive: Duration, max_header_size: usize) -> auto::Builder<LocalExecutor> {
    let max_read = max_header_size.saturating_mul(2).max(MIN_READ);
    let mut server = auto::Builder::new(LocalExecutor);
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(max_read);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(max_read).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(keep_alive))
        .max_send_buf_size(MAX_UNSENT)
        .max_concurrent_streams(MAX_STREAMS);
    server
}

/// An answer on its way, boxed, since hyper moves the future it is given about with its connection.
type Answering = Pin<Box<dyn Future<Output = Result<Response<WatchedBody>, Infallible>>>>;

/// Gives requests to `answers`, and tells `activity` of them.
fn service<A: Answer>(
    answers: &Rc<A>,
    address: SocketAddr,
    activity: &Arc<Activity>,
    idle_timeout: Duration,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<WatchedBody>,
    Error = Infallible,
    Future = Answering,
> + use<A> {
    let peer = Rc::new(Peer::at(address));
    let (answers, activity) = (Rc::clone(answers), Arc::clone(activity));
    service_fn(move |request: Request<Incoming>| {
        let mut under_way = activity.request();
        let target = activity.head().whole(&request);
        let mut request = request.map(|body| ClientBody::new(body, &activity, idle_timeout));
        if let Some(target) = target {
            request.extensions_mut().insert(target);
        }
        let answer = Rc::clone(&answers).answer(request, Rc::clone(&peer));
        Box::pin(async move {
            let response = whole(answer).await;
            under_way.waits_here(false);
            under_way.pass();
            Ok(response.map(|body| WatchedBody { body, under_way }))
        }) as Answering
    })
}

/// An answer's body, which keeps its request under way and tells which side it waits for.
pub struct WatchedBody {
    body: ResponseBody,
    under_way: RequestUnderWay,
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = <ResponseBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.under_way.waits_here(polled.is_pending());
        if polled.is_ready() {
            self.under_way.pass();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Counts a connection until it is dropped, by a panic too.
struct Open(watch::Sender<usize>);

impl Open {
    fn new(count: watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The answer, or 500 where making it panics: that costs this request, and none beside it.
async fn whole(answer: impl Future<Output = Response<ResponseBody>>) -> Response<ResponseBody> {
    let answered = AssertUnwindSafe(answer).catch_unwind().await;
    answered.unwrap_or_else(|_| Problem::internal_error().response(""))
}

/// Runs hyper's tasks on the gateway's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
