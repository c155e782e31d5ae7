//! A request's way through another gateway: from node to node, and from the balancer to a node.

use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;

use super::answer::Entry;
use super::body::{Bounds, Lease, Leased, NodeLease, ResponseBody};
use super::outgoing::Outgoing;
use super::peers::{FORWARDED, Link, PeerRoute, Peers};
use super::{Gateway, Problem, headers, tunnel};
use fnlocal_driver::{Connection, Function};

/// What became of a request that may be served on another node.
pub(super) enum Elsewhere {
    /// It was.
    Answered(Response<ResponseBody>),
    /// It is to be served here.
    Here(Box<(Outgoing, Entry)>),
}

/// What another gateway answered, and what it was asked.
pub struct Relay {
    /// The way there.
    pub link: Rc<Link>,
    /// The connection the answer comes on.
    pub connection: Connection,
    /// What was asked.
    pub outgoing: Outgoing,
    /// Lives as long as the request.
    pub entry: Entry,
    /// How long either side may be silent.
    pub idle_timeout: Duration,
    /// Breaks tunnels off.
    pub cut: CancellationToken,
}

impl Gateway {
    /// Sends a client's request to the node that is to serve it, unless that is this one or it
    /// does not answer.
    pub(super) async fn elsewhere(
        &self,
        peers: &dyn Peers,
        function: &Function,
        mut outgoing: Outgoing,
        mut entry: Entry,
    ) -> Elsewhere {
        let (way, counted) = peers.route(&function.name, &|| self.driver.has_idle(function.id));
        entry.count(counted);
        let PeerRoute::Remote(forward, link) = way else {
            return Elsewhere::Here(Box::new((outgoing, entry)));
        };
        let mut request = outgoing.request();
        let token = peers.token().clone();
        request.headers_mut().insert(FORWARDED, token);
        match link.send(request).await {
            Ok((response, connection)) => {
                // The node that serves it writes its line.
                entry.forget();
                let answered = Relay {
                    link,
                    connection,
                    outgoing,
                    entry,
                    idle_timeout: self.options.idle_timeout,
                    cut: self.cut.clone(),
                };
                Elsewhere::Answered(relay(response, answered))
            }
            Err(_) if outgoing.client_broke() => {
                Elsewhere::Answered(self.client_broke(function, entry))
            }
            Err(error) => {
                peers.lost(forward.to());
                let cause = error.cause.clone();
                if outgoing.take_back_from_node(error, &FORWARDED) {
                    entry.uncount();
                    return Elsewhere::Here(Box::new((outgoing, entry)));
                }
                let problem = node_died(&cause).function(&function.name);
                Elsewhere::Answered(self.refuse(entry, &problem))
            }
        }
    }
}

fn node_died(cause: &str) -> Problem {
    let text = format!("the node that served it ended before it answered: {cause}");
    Problem::new(StatusCode::BAD_GATEWAY, "node_died", text)
        .hint("it may have been served; only requests that can be repeated are tried again")
}

/// Passes another gateway's answer on as it comes.
pub fn relay(response: Response<Incoming>, relay: Relay) -> Response<ResponseBody> {
    let Relay {
        link,
        connection,
        outgoing,
        entry,
        idle_timeout,
        cut,
    } = relay;
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let (mut parts, body) = response.into_parts();
    parts.version = Version::HTTP_11;
    headers::strip_hop_by_hop(&mut parts.headers);
    let upstream = switching
        .then(|| parts.extensions.remove::<OnUpgrade>())
        .flatten();
    if let (Some(upstream), Some((protocol, client))) = (upstream, outgoing.upgrade) {
        let upgrade = HeaderValue::from_static("upgrade");
        parts.headers.insert(header::CONNECTION, upgrade);
        parts.headers.insert(header::UPGRADE, protocol);
        tunnel::start(client, upstream, connection, entry, idle_timeout, cut);
        return Response::from_parts(parts, ResponseBody::empty());
    }
    let lease = Lease::Node(NodeLease {
        link,
        connection,
        sent: outgoing.sends.then_some(outgoing.consumed),
        entry,
    });
    let bounds = Bounds {
        idle_timeout,
        multiplexed: outgoing.multiplexed,
        // Its own node has seen to that.
        limit: None,
    };
    let body = Leased::new(body, lease, bounds);
    let body = body.map_or_else(ResponseBody::empty, |body| {
        ResponseBody::Leased(Box::new(body))
    });
    Response::from_parts(parts, body)
}
