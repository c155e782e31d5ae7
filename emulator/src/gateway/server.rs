//! Takes connections: HTTP/1.1 and HTTP/2 without TLS on one port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{GatewayOptions, MAX_HEAD, Peer, Problem, ResponseBody, stall};
use crate::logs::Logs;

/// What requests are given to.
pub trait Answer: 'static {
    /// Answers one request.
    fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
        peer: Rc<Peer>,
    ) -> impl Future<Output = Response<ResponseBody>> + 'static;
}

/// Serves connections on one port.
pub struct Server {
    /// Its timeouts and bounds.
    pub options: GatewayOptions,
    /// Where trouble is told.
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
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(self.options.max_connections));
        loop {
            let place = tokio::select! {
                place = self.place(&room) => place,
                () = stop.cancelled() => break,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, address)) => {
                    self.connection(&answers, stream, address, &graceful, place)
                }
                Err(error) => self.accept_failed(&error).await,
            }
        }
        drop(listener);
        let finished = tokio::time::timeout(self.options.drain_timeout, graceful.shutdown()).await;
        if finished.is_err() {
            self.cut.cancel();
            self.logs.warn(format!(
                "some requests did not end within {} s and were cut off",
                self.options.drain_timeout.as_secs()
            ));
        }
    }

    /// Room for one more connection; said when it has to be waited for.
    async fn place(&self, room: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        if room.available_permits() == 0 {
            self.logs.warn(format!(
                "{} connections are open, as many as the limit of open files allows; more wait",
                self.options.max_connections
            ));
        }
        // Closed by nobody.
        Arc::clone(room).acquire_owned().await.ok()
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
        stream: TcpStream,
        address: SocketAddr,
        graceful: &GracefulShutdown,
        place: Option<OwnedSemaphorePermit>,
    ) {
        // A socket that is already gone is found out by the first read.
        let _gone = stream.set_nodelay(true);
        let peer = Rc::new(Peer::at(address));
        let answers = Rc::clone(answers);
        let service = service_fn(move |request| {
            let answers = Rc::clone(&answers);
            let peer = Rc::clone(&peer);
            // Boxed, since hyper moves the future it is given about with its connection.
            Box::pin(async move { Ok::<_, Infallible>(whole(answers.answer(request, peer)).await) })
        });
        let io = TokioIo::new(stall::Stall::new(
            stream,
            self.options.head_timeout,
            self.options.idle_timeout,
        ));
        let mut server = auto::Builder::new(LocalExecutor);
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.head_timeout)
            .max_buf_size(MAX_HEAD);
        server
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEAD as u32)
            .keep_alive_interval(Some(self.options.head_timeout))
            .max_concurrent_streams(250);
        let connection = server
            .serve_connection_with_upgrades(io, service)
            .into_owned();
        let watched = graceful.watch(connection);
        let cut = self.cut.clone();
        let open = self.open.clone();
        let counted = Open::new(open);
        tokio::task::spawn_local(async move {
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                // A client's broken connection is its own affair.
                _broken = watched => {}
            }
            drop((counted, place));
        });
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
