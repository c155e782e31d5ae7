//! The balancer in front: a load balancer's behaviour, decided by [`fnlocal_core::balancer`].
//!
//! This balancer differs from an ALB in one thing: a request that a node did not take, and one that
//! can be repeated, is tried on another, where an ALB answers 502 until its checks have found out.

use std::rc::Rc;
use std::sync::Arc;

use fnlocal_core::balancer::TargetFailure;
use http::{Request, Response, StatusCode};
use tokio_util::sync::CancellationToken;

use super::FleetState;
use crate::dashboard;
use crate::listeners::Listeners;
use fnlocal_gateway::AccessRecord;
use fnlocal_gateway::Answer;
use fnlocal_gateway::ClientBody;
use fnlocal_gateway::GatewayOptions;
use fnlocal_gateway::Lease;
use fnlocal_gateway::OutgoingRequest;
use fnlocal_gateway::Pages;
use fnlocal_gateway::Peer;
use fnlocal_gateway::Platform;
use fnlocal_gateway::Problem;
use fnlocal_gateway::Relay;
use fnlocal_gateway::ResponseBody;
use fnlocal_gateway::Server;
use fnlocal_gateway::asks_locally;
use fnlocal_gateway::by_balancer;
use fnlocal_gateway::is_platform;
use fnlocal_gateway::on_functions_port;
use fnlocal_gateway::peers::FORWARDED;
use fnlocal_gateway::relay;
use fnlocal_gateway::request_name;

/// The front, while it serves.
struct BalancerFront {
    fleet: Rc<FleetState>,
    cut: CancellationToken,
    /// The dashboard.
    pages: axum::Router,
    platform_port: Option<u16>,
}

/// Serves the project's port until `stop`.
pub(super) async fn serve(
    fleet: &Rc<FleetState>,
    listeners: Listeners,
    pages: axum::Router,
    stop: CancellationToken,
) {
    let cut = fleet.stop.now.child_token();
    let server = |open| Server {
        options: GatewayOptions {
            // An ALB's idle timeout, for clients' connections too.
            head_timeout: fleet.settings.balancer.idle_timeout,
            idle_timeout: fleet.settings.balancer.idle_timeout,
            ..fleet.front.gateway.clone()
        },
        logs: fleet.factory.logs.clone(),
        cut: cut.clone(),
        open,
    };
    let [functions, platform] = [(); 2].map(|()| server(tokio::sync::watch::Sender::new(0)));
    let at = listeners.platform.local_addr();
    let front = Rc::new(BalancerFront {
        fleet: Rc::clone(fleet),
        cut,
        pages,
        platform_port: at.ok().map(|at| at.port()),
    });
    let pages = Rc::new(Pages {
        platform: Rc::clone(&front),
        open: false,
        token: fleet.front.token.clone(),
        is_page_file: dashboard::is_page_file,
    });
    tokio::join!(
        functions.serve(front, listeners.functions, stop.clone()),
        platform.serve(pages, listeners.platform, stop),
    );
}

impl Platform for BalancerFront {
    async fn answer_platform(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Rc<Peer>,
    ) -> Response<ResponseBody> {
        let id = request_name();
        if request
            .uri()
            .path()
            .starts_with(fnlocal_gateway::triggers::PATH)
        {
            return self.fleet.queue(request, peer.address, &id).await;
        }
        let pages = self.pages.clone();
        self.fleet.platform(request, peer.address, &id, pages).await
    }
}

impl Answer for BalancerFront {
    async fn answer(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Rc<Peer>,
    ) -> Response<ResponseBody> {
        let id = request_name();
        let named = ("balancer".into(), Arc::clone(&id));
        let (logs, counts) = (&self.fleet.factory.logs, &self.fleet.answered);
        let mut record = AccessRecord::begin(logs, counts, named, &request);
        if is_platform(request.uri().path()) {
            record.forget();
            if let Err(problem) = asks_locally(&request, peer.address) {
                return problem.response(&id);
            }
            let (token, port) = (&self.fleet.front.token, self.platform_port);
            let elsewhere = on_functions_port(&request, token, port);
            return match elsewhere {
                Some(elsewhere) => elsewhere,
                None => self.answer_platform(request, peer).await,
            };
        }
        self.fleet.entered.set(self.fleet.entered.get() + 1);
        let proxies = &self.fleet.front.gateway.trusted_proxies;
        let outgoing =
            OutgoingRequest::new(request, |headers| by_balancer(headers, &peer, proxies));
        self.balance(outgoing, record).await
    }
}

impl BalancerFront {
    async fn balance(
        &self,
        mut outgoing: OutgoingRequest,
        mut record: AccessRecord,
    ) -> Response<ResponseBody> {
        let timeout = self.fleet.settings.balancer.idle_timeout;
        let mut tried = Vec::new();
        loop {
            let picked = self.fleet.pick(&tried);
            let link = picked.and_then(|(member, counted)| {
                tried.push(member.node);
                record.count(counted);
                let link = member.link.get().cloned();
                link.ok_or(TargetFailure::NoTarget)
            });
            let link = match link {
                Ok(link) => link,
                Err(failure) => return refuse(outgoing, record, failure),
            };
            match tokio::time::timeout(timeout, link.send(outgoing.request())).await {
                Ok(Ok((response, connection))) => {
                    // The node that serves it writes its record.
                    record.forget();
                    let passed = Relay {
                        lease: Lease::from_node(link, connection, &outgoing),
                        outgoing,
                        record,
                        limit: None,
                        idle_timeout: timeout,
                        cut: &self.cut,
                    };
                    return relay(response, passed, |_| {});
                }
                Ok(Err(_)) if outgoing.client_broke() => {
                    return answer_problem(record, &Problem::body_broke());
                }
                Ok(Err(error)) => {
                    if !outgoing.take_back_from_node(error, &FORWARDED) {
                        return refuse(outgoing, record, TargetFailure::Broken);
                    }
                    record.uncount();
                }
                Err(_) => return refuse(outgoing, record, TargetFailure::Silent),
            }
        }
    }
}

/// The balancer's own answer.
fn refuse(
    outgoing: OutgoingRequest,
    record: AccessRecord,
    failure: TargetFailure,
) -> Response<ResponseBody> {
    outgoing.turn_away();
    let (reason, text, hint) = match failure {
        TargetFailure::NoTarget => (
            "no_node",
            "no node is in service",
            "nodes may still be booting; GET /_fnlocal/view shows them",
        ),
        TargetFailure::Broken => (
            "node_broke",
            "the node ended the connection before it answered",
            "only requests that can be repeated are tried on another node",
        ),
        TargetFailure::NoConnection | TargetFailure::Silent => (
            "node_silent",
            "the node did not answer in the balancer's idle timeout",
            "a load balancer waits 60 s; answer sooner, or stream",
        ),
    };
    let status = StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    answer_problem(record, &Problem::new(status, reason, text).hint(hint))
}

fn answer_problem(mut record: AccessRecord, problem: &Problem) -> Response<ResponseBody> {
    let response = problem.response(record.id());
    record.head(problem.status, None);
    record.write(Some(problem.reason));
    response
}
