//! The node's two ports: the balancer's, where clients' requests come in, and the peers'.

use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::state::NodeState;
use super::{handover, heartbeat};
use fnlocal_gateway::Answer;
use fnlocal_gateway::ClientBody;
use fnlocal_gateway::Peer;
use fnlocal_gateway::Problem;
use fnlocal_gateway::ResponseBody;
use fnlocal_gateway::Server;
use fnlocal_gateway::peers::{FORWARDED, Peers, proves};
use fnlocal_gateway::{GatewayOptions, MAX_HEADER_BYTES};

/// Longer than any idle timeout of a balancer, which has at most 4,000 s: a node that closes an unused
/// connection first loses the request that is just sent into it.
const BALANCER_KEEP_ALIVE: Duration = Duration::from_secs(4_060);

/// Where the balancer asks whether the node wants requests.
const HEALTH: &str = fnlocal_gateway::platform::HEALTH_PATH;

/// The clients of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListenerKind {
    /// Clients, by way of the balancer.
    Public,
    /// Other nodes, which prove that they are some.
    Peer,
}

struct NodeListener {
    state: Rc<NodeState>,
    side: ListenerKind,
}

/// Serves a port until `closed`, then lets those under way finish. `cut` breaks them off.
pub(super) async fn serve(
    state: Rc<NodeState>,
    side: ListenerKind,
    listener: TcpListener,
    closed: CancellationToken,
    cut: CancellationToken,
) {
    let server = Server {
        options: GatewayOptions {
            head_timeout: BALANCER_KEEP_ALIVE,
            // A release says what its gateway takes.
            max_header_size: MAX_HEADER_BYTES,
            ..GatewayOptions::default()
        },
        logs: state.logs.clone(),
        cut,
        open: tokio::sync::watch::Sender::new(0),
    };
    server
        .serve(Rc::new(NodeListener { state, side }), listener, closed)
        .await;
}

impl NodeListener {
    /// Returns the platform's own answer.
    async fn own(
        &self,
        request: Request<ClientBody>,
    ) -> Result<Response<ResponseBody>, Request<ClientBody>> {
        let path = request.uri().path();
        if path == HEALTH {
            let health = self.state.health();
            let status = if health.is_good() && health.is_well() {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            return Ok(json(status, &health));
        }
        if path == heartbeat::PATH && self.side == ListenerKind::Peer {
            return Ok(json(StatusCode::OK, &self.state.says()));
        }
        if path == handover::PATH && self.side == ListenerKind::Peer {
            return Ok(handover::take(&self.state, request).await);
        }
        // Clients of the balancer are not trusted with the platform's paths.
        let is_own = path == "/_fnlocal" || path.starts_with("/_fnlocal/");
        if !is_own {
            return Err(request);
        }
        let what = "a node has no such path";
        Ok(Problem::new(StatusCode::NOT_FOUND, "unknown_path", what).response(""))
    }

    fn is_peer(&self, request: &Request<ClientBody>) -> bool {
        let given = request.headers().get(FORWARDED);
        given.is_some_and(|given| proves(self.state.company.token(), given))
    }
}

impl Answer for NodeListener {
    async fn answer(
        self: Rc<Self>,
        mut request: Request<ClientBody>,
        peer: Rc<Peer>,
    ) -> Response<ResponseBody> {
        match self.side {
            ListenerKind::Public => {
                // Only peers' own port takes what peers send.
                request.headers_mut().remove(FORWARDED);
            }
            ListenerKind::Peer if !self.is_peer(&request) => {
                let what = "this port is for the nodes of the group";
                return Problem::new(StatusCode::UNAUTHORIZED, "not_a_peer", what).response("");
            }
            ListenerKind::Peer => {}
        }
        let request = match self.own(request).await {
            Ok(answer) => return answer,
            Err(request) => request,
        };
        let Some(under_way) = self.state.enter() else {
            let what = "the node has not loaded a release yet";
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", what).response("");
        };
        let gateway = Rc::clone(&under_way.serving.gateway);
        let answer = gateway.answer(request, peer).await;
        drop(under_way);
        answer
    }
}

fn json(status: StatusCode, what: &impl Serialize) -> Response<ResponseBody> {
    let text = serde_json::to_string(what).unwrap_or_default();
    let mut response = Response::new(ResponseBody::full(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
