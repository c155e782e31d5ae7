//! A request's way through another gateway: from node to node, and from the balancer to a node. An
//! instance's answer comes back in the same way.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::access_log::AccessRecord;
use super::body::{BodyBounds, Lease, LeasedBody, ResponseBody};
use super::outgoing::OutgoingRequest;
use super::peers::{FORWARDED, PeerRoute, Peers};
use super::{Gateway, Problem, headers, tunnel};
use fnlocal_driver::Function;

/// The result for a request that may be served on another node.
pub(super) enum Elsewhere {
    /// Another node answered.
    Answered(Response<ResponseBody>),
    /// The request is to be served here.
    Here(Box<(OutgoingRequest, AccessRecord)>),
}

/// An answer that is passed on, and what it is of.
pub struct Relay<'a> {
    /// Given back when the answer has ended.
    pub lease: Lease,
    /// The request.
    pub outgoing: OutgoingRequest,
    /// Lives as long as the request.
    pub record: AccessRecord,
    /// The maximum number of bytes of the answer; `None` if another node bounds it.
    pub limit: Option<u64>,
    /// How long either side may be silent.
    pub idle_timeout: Duration,
    /// Breaks tunnels off.
    pub cut: &'a CancellationToken,
}

impl Gateway {
    /// Sends a client's request to the node that is to serve it, unless that is this one or it
    /// does not answer.
    pub(super) async fn elsewhere(
        &self,
        peers: &dyn Peers,
        function: &Function,
        mut outgoing: OutgoingRequest,
        mut record: AccessRecord,
    ) -> Elsewhere {
        let (way, counted) = peers.route(&function.name, &|| self.driver.has_idle(function.id));
        record.count(counted);
        let PeerRoute::Remote(forward, link) = way else {
            return Elsewhere::Here(Box::new((outgoing, record)));
        };
        record.route("remote");
        let mut request = outgoing.request();
        let token = peers.token().clone();
        request.headers_mut().insert(FORWARDED, token);
        match link.send(request).await {
            Ok((response, connection)) => {
                debug!(parent: record.span(), node = %forward.to(), "another node answers");
                // The node that serves it writes its record.
                record.forget();
                let passed = Relay {
                    lease: Lease::from_node(link, connection, &outgoing),
                    outgoing,
                    record,
                    limit: None,
                    idle_timeout: self.options.idle_timeout,
                    cut: &self.cut,
                };
                Elsewhere::Answered(relay(response, passed, |_| {}))
            }
            Err(_) if outgoing.client_broke() => {
                let problem = Problem::body_broke().function(&function.name);
                Elsewhere::Answered(self.refuse(record, &problem))
            }
            Err(error) => {
                peers.lost(forward.to());
                let cause = error.cause.clone();
                debug!(parent: record.span(), node = %forward.to(), %cause, "another node is lost");
                if outgoing.take_back_from_node(error, &FORWARDED) {
                    record.uncount();
                    return Elsewhere::Here(Box::new((outgoing, record)));
                }
                let problem = node_died(&cause).function(&function.name);
                Elsewhere::Answered(self.refuse(record, &problem))
            }
        }
    }
}

fn node_died(cause: &str) -> Problem {
    let text = format!("the node that served it ended before it answered: {cause}");
    Problem::new(StatusCode::BAD_GATEWAY, "node_died", text)
        .hint("it may have been served; only requests that can be repeated are tried again")
}

/// Passes an answer on as it comes, with the headers that `add` gives it.
pub fn relay(
    response: Response<Incoming>,
    passed: Relay<'_>,
    add: impl FnOnce(&mut HeaderMap),
) -> Response<ResponseBody> {
    let Relay {
        lease,
        outgoing,
        record,
        limit,
        idle_timeout,
        cut,
    } = passed;
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let (mut parts, body) = response.into_parts();
    parts.version = Version::HTTP_11;
    headers::strip_hop_by_hop(&mut parts.headers);
    add(&mut parts.headers);
    let upstream = switching
        .then(|| parts.extensions.remove::<OnUpgrade>())
        .flatten();
    if let (Some(upstream), Some((protocol, client))) = (upstream, outgoing.upgrade) {
        let upgrade = HeaderValue::from_static("upgrade");
        parts.headers.insert(header::CONNECTION, upgrade);
        parts.headers.insert(header::UPGRADE, protocol);
        tunnel::start(client, upstream, lease, record, idle_timeout, cut.clone());
        return Response::from_parts(parts, ResponseBody::empty());
    }
    let lease = Lease {
        record: Some(record),
        ..lease
    };
    let bounds = BodyBounds {
        idle_timeout,
        multiplexed: outgoing.multiplexed,
        limit,
    };
    let body = LeasedBody::new(body, lease, bounds);
    let body = body.map_or_else(ResponseBody::empty, |body| {
        ResponseBody::Leased(Box::new(body))
    });
    Response::from_parts(parts, body)
}
