//! The HTTP front: listens, finds the function, passes the request to its instance.
//!
//! HTTP/1.1 and HTTP/2 without TLS on one port. The function's path is served without a router or
//! a lock; `/_fnlocal/*` goes to an axum router in [`platform`].

mod answer;
mod body;
mod drain;
mod forward;
mod headers;
mod path;
pub mod platform;
mod problem;
mod stall;
mod tunnel;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub use body::ResponseBody;
pub use problem::Problem;

use crate::driver::Driver;

/// What the gateway may be told.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Time a client may take to send a request's head, and to leave a connection unused.
    pub head_timeout: Duration,
    /// Time without a byte in either direction after which a stream is ended.
    pub idle_timeout: Duration,
    /// Time for requests under way once the gateway is told to stop.
    pub drain_timeout: Duration,
    /// This node's name, for `x-fnlocal-node`.
    pub node: String,
    /// `/_fnlocal/*` answers other machines too.
    pub open_platform: bool,
    /// Connections at the most; more wait in the system's queue until one ends.
    pub max_connections: usize,
}

impl Default for GatewayOptions {
    /// 60 s is an AWS load balancer's default idle timeout; 30 s for a head is hyper's default.
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
            node: "local".into(),
            open_platform: false,
            max_connections: connections_of(open_files()),
        }
    }
}

/// A quarter of the files this process may open, and not under 128 where there are as many, stays
/// for instances: out of files, none could be started or connected to.
fn connections_of(open_files: usize) -> usize {
    let kept = (open_files / 4).max(128).min(open_files / 2);
    (open_files - kept).max(1)
}

#[cfg(unix)]
fn open_files() -> usize {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current;
    // Bounded by what a semaphore can count, too.
    limit.map_or(1 << 20, |limit| {
        usize::try_from(limit).unwrap_or(1 << 20).min(1 << 20)
    })
}

#[cfg(not(unix))]
fn open_files() -> usize {
    1 << 20
}

/// Serves requests until told to stop.
pub struct Gateway {
    driver: Rc<Driver>,
    options: GatewayOptions,
    node: HeaderValue,
    platform: axum::Router,
    run: u32,
    /// Cancelled when connections are cut off.
    cut: CancellationToken,
}

/// The client's side of a connection.
pub(crate) struct Peer {
    address: SocketAddr,
    forwarded_for: HeaderValue,
}

/// Largest head of a request in bytes; above, hyper answers 431. Node's own bound is 16 KB.
const MAX_HEAD: usize = 128 * 1024;

impl Gateway {
    /// A gateway in front of a driver, with the platform's own paths.
    #[must_use]
    pub fn new(driver: Rc<Driver>, options: GatewayOptions, platform: axum::Router) -> Rc<Self> {
        let node = HeaderValue::from_str(&options.node)
            .unwrap_or_else(|_| HeaderValue::from_static("local"));
        Rc::new(Self {
            driver,
            options,
            node,
            platform,
            run: rand::random(),
            cut: CancellationToken::new(),
        })
    }

    /// Accepts connections until `stop`, then lets those under way finish within the drain
    /// timeout.
    pub async fn serve(self: Rc<Self>, listener: TcpListener, stop: CancellationToken) {
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
                Ok((stream, address)) => self.connection(stream, address, &graceful, place),
                Err(error) => self.accept_failed(&error).await,
            }
        }
        drop(listener);
        let finished = tokio::time::timeout(self.options.drain_timeout, graceful.shutdown()).await;
        if finished.is_err() {
            self.cut.cancel();
            self.driver.logs().warn(format!(
                "some requests did not end within {} s and were cut off",
                self.options.drain_timeout.as_secs()
            ));
        }
    }

    /// Room for one more connection; said when it has to be waited for.
    async fn place(&self, room: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        if room.available_permits() == 0 {
            self.driver.logs().warn(format!(
                "{} connections are open, as many as the limit of open files allows; more wait",
                self.options.max_connections
            ));
        }
        // Closed by nobody.
        Arc::clone(room).acquire_owned().await.ok()
    }

    /// Out of file descriptors, most likely: waiting lets some connection end first.
    async fn accept_failed(&self, error: &std::io::Error) {
        self.driver
            .logs()
            .warn(format!("a connection could not be accepted: {error}"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn connection(
        self: &Rc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        graceful: &GracefulShutdown,
        place: Option<OwnedSemaphorePermit>,
    ) {
        // A socket that is already gone is found out by the first read.
        let _gone = stream.set_nodelay(true);
        let peer = Rc::new(Peer {
            address,
            forwarded_for: HeaderValue::from_str(&address.ip().to_string())
                .expect("an address is plain ASCII"),
        });
        let gateway = Rc::clone(self);
        let service = service_fn(move |request| {
            let gateway = Rc::clone(&gateway);
            let peer = Rc::clone(&peer);
            // Boxed, since hyper moves the future it is given about with its connection.
            Box::pin(async move { Ok::<_, Infallible>(gateway.answer(request, &peer).await) })
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
        tokio::task::spawn_local(async move {
            tokio::select! {
                // A client's broken connection is its own affair.
                _broken = watched => {}
                () = cut.cancelled() => {}
            }
            drop(place);
        });
    }
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
