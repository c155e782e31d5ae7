//! The HTTP front: listens, finds the function, passes the request to its instance.
//!
//! HTTP/1.1 and HTTP/2 without TLS on one port. The function's path is served without a router or
//! a lock; `/_fnlocal/*` goes to an axum router in [`platform`].
#![warn(clippy::disallowed_macros)]

mod access_log;
mod activity;
mod arrival;
mod async_invoke;
mod body;
mod client_body;
mod connections;
mod dispatch;
mod drain;
mod forwarded;
pub mod head;
mod head_stream;
pub mod headers;
mod invocation;
pub mod metrics;
mod name;
mod no_answer;
mod origin;
mod origin_check;
mod outgoing;
pub mod path;
pub mod peers;
pub mod platform;
mod problem;
mod proxy;
mod refused_head;
pub mod relay;
mod routes;
mod sender;
mod server;
mod stall;
pub mod triggers;
mod tunnel;
mod unknown;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use access_log::AccessRecord;
pub use body::{Lease, ResponseBody};
pub use client_body::ClientBody;
pub use forwarded::TrustedProxies;
pub use head::SentTarget;
pub use headers::by_balancer;
pub use name::request_name;
pub use origin::{Pages, Platform, is_platform, on_functions_port};
pub use origin_check::{asks_locally, comes_from_no_other_site};
pub use outgoing::OutgoingRequest;
pub use problem::Problem;
pub use relay::{Relay, relay};
pub use sender::{Arrivals, Arriving, Sender};
pub use server::{Answer, Server};

use peers::Peers;

use crate::triggers::Triggers;
use fnlocal_driver::{BoxError, Driver};

/// The settings of the gateway.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Time a client may take to send a request's head, and to leave a connection unused.
    pub head_timeout: Duration,
    /// Time without a byte in either direction after which a stream is ended.
    pub idle_timeout: Duration,
    /// Time a body may take to arrive whole, where it is waited for.
    pub body_timeout: Duration,
    /// Time for requests under way once the gateway stops.
    pub drain_timeout: Duration,
    /// This node's name, for `x-fnlocal-node`.
    pub node: String,
    /// `/_fnlocal/*` answers other machines too.
    pub open_platform: bool,
    /// The maximum number of connections. For more, the longest idle ones are closed.
    pub max_connections: usize,
    /// Clients may ask for asynchronous invocations of functions that do not say whether they may.
    pub async_from_clients: bool,
    /// The maximum size of a request's head in bytes, at most [`MAX_HEADER_BYTES`].
    pub max_header_size: usize,
    /// The proxies whose word on a request's client counts.
    pub trusted_proxies: TrustedProxies,
}

impl Default for GatewayOptions {
    /// 60 s is an AWS load balancer's default idle timeout; 30 s for a head is hyper's default.
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(120),
            drain_timeout: Duration::from_secs(10),
            node: "local".into(),
            open_platform: false,
            max_connections: connections_of(open_files()),
            async_from_clients: true,
            max_header_size: 64 * 1024,
            trusted_proxies: TrustedProxies::loopback(),
        }
    }
}

/// A quarter of the files this process may open, and not under 128 where there are as many, stays
/// for instances: out of files, none could be started or connected to.
fn connections_of(open_files: usize) -> usize {
    let kept = (open_files / 4).max(128).min(open_files / 2);
    (open_files - kept).max(1)
}

fn open_files() -> usize {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current;
    // Bounded by what a semaphore can count, too.
    limit.map_or(1 << 20, |limit| {
        usize::try_from(limit).unwrap_or(1 << 20).min(1 << 20)
    })
}

/// Serves requests until told to stop.
pub struct Gateway {
    driver: Rc<Driver>,
    options: GatewayOptions,
    node: HeaderValue,
    platform: axum::Router,
    /// The other nodes; `None` if there is only this one.
    peers: Option<Rc<dyn Peers>>,
    /// The queue of asynchronous invocations.
    triggers: Option<Rc<Triggers>>,
    /// The token that `/_fnlocal/*` requires.
    token: String,
    /// The port of the platform's own origin; `None` if there is none.
    platform_port: Option<u16>,
    /// Cancelled when connections are cut off.
    cut: CancellationToken,
    /// The room for bodies that arrive before their requests are entered.
    room: Rc<arrival::Room>,
    /// How many there are.
    open: watch::Sender<usize>,
}

/// The client's side of a connection.
pub struct Peer {
    pub address: SocketAddr,
    text: HeaderValue,
}

impl Peer {
    /// A client at an address.
    pub fn at(address: SocketAddr) -> Self {
        let text = address.ip().to_string();
        Self {
            address,
            text: HeaderValue::from_str(&text).expect("an address is visible ASCII"),
        }
    }

    /// The address without its port, as headers name it.
    fn address_text(&self) -> &HeaderValue {
        &self.text
    }
}

/// The maximum of [`GatewayOptions::max_header_size`] in bytes. A wrapper takes twice as much, so that
/// the gateway alone decides.
pub const MAX_HEADER_BYTES: usize = 1 << 20;
/// The maximum number of bytes that a balancer adds to a head, a generous estimate.
pub const BALANCER_HEADER_BYTES: usize = 4 * 1024;

impl Gateway {
    /// A gateway in front of a driver, with the platform's own paths, the queue, the token that
    /// paths want, and the port of the platform's own origin.
    #[must_use]
    pub fn new(
        driver: Rc<Driver>,
        options: GatewayOptions,
        platform: axum::Router,
        peers: Option<Rc<dyn Peers>>,
        triggers: Option<Rc<Triggers>>,
        (token, platform_port): (&str, Option<u16>),
    ) -> Rc<Self> {
        driver.set_node(&options.node);
        let node = HeaderValue::from_str(&options.node)
            .unwrap_or_else(|_| HeaderValue::from_static("local"));
        Rc::new(Self {
            driver,
            options,
            node,
            platform,
            peers,
            triggers,
            token: token.to_owned(),
            platform_port,
            cut: CancellationToken::new(),
            room: Rc::default(),
            open: watch::Sender::new(0),
        })
    }

    /// Accepts connections until `stop`, then lets those under way finish within the drain
    /// timeout.
    pub async fn serve(self: Rc<Self>, listener: TcpListener, stop: CancellationToken) {
        let server = self.server(self.open.clone());
        server.serve(self, listener, stop).await;
    }

    /// The same for the platform's own origin, whose page has the files that `is_page_file` tells.
    pub async fn serve_platform(
        self: Rc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
        is_page_file: fn(&str) -> bool,
    ) {
        let server = self.server(watch::Sender::new(0));
        let open = self.options.open_platform;
        let pages = Rc::new(Pages {
            token: self.token.clone(),
            platform: self,
            open,
            is_page_file,
        });
        server.serve(pages, listener, stop).await;
    }

    fn server(&self, open: watch::Sender<usize>) -> Server {
        Server {
            options: self.options.clone(),
            logs: self.driver.logs().clone(),
            cut: self.cut.clone(),
            open,
        }
    }

    /// Breaks all connections off, and returns when nobody can be answered any more.
    pub async fn cut_off(&self) {
        self.cut.cancel();
        let mut open = self.open.subscribe();
        // Its sender lives as long as the gateway.
        let _open = open.wait_for(|count| *count == 0).await;
    }
}

impl Answer for Gateway {
    async fn answer(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Rc<Peer>,
    ) -> Response<ResponseBody> {
        self.respond(request, &peer).await
    }
}
