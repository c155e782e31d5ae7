//! `/_fnlocal/*` of a fleet: its health, its picture, and the end of single nodes.

use fnlocal_api::headers as api_headers;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use fnlocal_core::time::Instant;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;
use tower::ServiceExt;

use super::FleetState;
use super::member::SimulatedNode;
use crate::accept::picture;
use crate::dashboard::{self, FleetNow, NodeNow, RunNow};
use fnlocal_driver::{Count, Counts};
use fnlocal_gateway::ClientBody;
use fnlocal_gateway::Problem;
use fnlocal_gateway::ResponseBody;
use fnlocal_gateway::asks_locally;
use fnlocal_gateway::metrics::{self, NodeCounts};
use fnlocal_gateway::peers::proves;
use fnlocal_gateway::platform::health_with;
use fnlocal_gateway::triggers::TriggersView;

/// The name under which all nodes that have ended are counted together. Their counts stay: a sum
/// over the nodes never falls.
const ENDED: &str = "ended";
/// The name under which the balancer's own answers are counted.
const BALANCER: &str = "balancer";

/// A picture of the fleet.
#[derive(Serialize)]
struct FleetPicture {
    /// Nodes wanted; none for a fleet of a fixed size.
    desired: Option<u32>,
    /// Nodes stopped in the warm pool.
    pooled: u32,
    /// How many times as fast as usual the fleet's time runs.
    time_scale: f64,
    /// Seconds of the fleet's time since it began. Metrics are taken every sixty.
    clock: f64,
    nodes: BTreeMap<String, NodeNow>,
    /// How requests ended of which no node tells: on nodes that are there no more, and those the
    /// balancer answered itself.
    ended: Vec<Count>,
    /// The queue, schedules and sources of all nodes.
    triggers: TriggersView,
}

impl FleetState {
    /// Answers a path of the platform's own.
    pub(super) async fn platform(
        self: &Rc<Self>,
        request: Request<ClientBody>,
        peer: SocketAddr,
        id: &str,
        pages: axum::Router,
    ) -> Response<ResponseBody> {
        if let Err(problem) = asks_locally(&request, peer) {
            return problem.response(id);
        }
        let path = request.uri().path();
        let kept = matches!(path, "/_fnlocal/logs" | "/_fnlocal/errors");
        let kept = kept && self.factory.logs.archive().is_some();
        if !kept && !dashboard::has(path) {
            return self
                .asked(&request)
                .unwrap_or_else(|problem| problem.response(id));
        }
        match pages.oneshot(request).await {
            Ok(response) => response.map(ResponseBody::Platform),
            Err(never) => match never {},
        }
    }

    /// Answers a question about the queue.
    pub(super) async fn queue(
        self: &Rc<Self>,
        request: Request<ClientBody>,
        peer: SocketAddr,
        id: &str,
    ) -> Response<ResponseBody> {
        if let Err(problem) = asks_locally(&request, peer) {
            return problem.response(id);
        }
        self.triggers.admin(request, &self.front.token).await
    }

    fn asked(
        self: &Rc<Self>,
        request: &Request<ClientBody>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let path = request.uri().path().trim_start_matches("/_fnlocal");
        let words: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method(), &words[..]) {
            (&Method::GET, ["health"]) => {
                Ok(health_with(self.triggers.fault()).map(ResponseBody::Platform))
            }
            (&Method::GET, ["view"]) => Ok(self.view()),
            (&Method::GET, ["metrics"]) => Ok(text(metrics::CONTENT_TYPE, self.metrics())),
            (&Method::POST, ["cold"]) => {
                self.proven(request)?;
                self.chill(request.uri().query().unwrap_or_default())
            }
            (&Method::POST, ["nodes", name, act @ ("kill" | "drain")]) => {
                self.proven(request)?;
                let member = self.named(name)?;
                if *act == "kill" {
                    self.kill(&member);
                } else {
                    self.drain(&member);
                }
                let mut response = Response::new(ResponseBody::empty());
                *response.status_mut() = StatusCode::ACCEPTED;
                Ok(response)
            }
            _ => Err(unknown_path()),
        }
    }

    fn proven(&self, request: &Request<ClientBody>) -> Result<(), Problem> {
        let given = request.headers().get(api_headers::TOKEN);
        let token = HeaderValue::from_str(&self.front.token).ok();
        if token
            .zip(given)
            .is_some_and(|(token, given)| proves(&token, given))
        {
            return Ok(());
        }
        let what = "what changes something wants the run's token";
        let hint = "send the token of .fnlocal/running.json as x-fnlocal-token";
        Err(Problem::new(StatusCode::UNAUTHORIZED, "token", what).hint(hint))
    }

    fn named(&self, name: &str) -> Result<Rc<SimulatedNode>, Problem> {
        let members = self.members.borrow();
        let named = |one: &&Rc<SimulatedNode>| one.node.to_string() == name && !one.ended();
        if let Some(member) = members.values().find(named) {
            return Ok(Rc::clone(member));
        }
        let alive = members.values().filter(|one| !one.ended());
        let alive: Vec<String> = alive.map(|one| one.node.to_string()).collect();
        let what = format!("there is no node named `{name}`");
        let hint = format!("the nodes are: {}", alive.join(", "));
        Err(Problem::new(StatusCode::NOT_FOUND, "unknown_node", what).hint(hint))
    }

    fn metrics(&self) -> String {
        let members = self.members.borrow();
        let nodes = members.values().filter(|one| !one.ended());
        let nodes = nodes.filter_map(|one| Some(NodeCounts::from_driver(one.driver.get()?)));
        let others = [
            NodeCounts::apart(ENDED, &self.counted_before()),
            NodeCounts::apart(BALANCER, &self.answered),
        ];
        let nodes = nodes.chain(others).collect();
        metrics::text_of(nodes, self.factory.logs.archive().as_ref())
    }

    /// Returns the counts of nodes that are gone.
    fn counted_before(&self) -> Counts {
        let members = self.members.borrow();
        let there = |node| {
            members
                .get(&node)
                .is_some_and(|one: &Rc<SimulatedNode>| !one.ended())
        };
        self.retired.besides(there)
    }

    /// A cold start for a function's next request, on whichever node it comes to.
    fn chill(&self, query: &str) -> Result<Response<ResponseBody>, Problem> {
        let mut words = form_urlencoded::parse(query.as_bytes());
        let name = words.find(|(key, _)| key == "function");
        let name = name.map(|(_, name)| name).unwrap_or_default();
        let members = self.members.borrow();
        let drivers = members.values().filter_map(|one| one.driver.get());
        // All of them, not only until the first that has it.
        let knowing = drivers.filter(|driver| driver.chill(&name)).count();
        if knowing == 0 {
            let what = format!("there is no function named `{name}`");
            let hint = "GET /_fnlocal/view names the functions";
            let status = StatusCode::NOT_FOUND;
            return Err(Problem::new(status, "unknown_function", what).hint(hint));
        }
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// Returns the dashboard's state.
    pub(super) fn now(&self) -> RunNow {
        let picture = self.picture();
        let mut latency = self.counted_before().latency();
        let members = self.members.borrow();
        let drivers = members.values().filter(|one| !one.ended());
        for driver in drivers.filter_map(|one| one.driver.get()) {
            latency.add_all(&driver.counts().latency());
        }
        RunNow {
            latency,
            nodes: picture.nodes,
            fleet: Some(FleetNow {
                desired: picture.desired,
                pooled: picture.pooled,
                time_scale: picture.time_scale,
                ended: picture.ended,
            }),
        }
    }

    fn view(&self) -> Response<ResponseBody> {
        match serde_json::to_string(&self.picture()) {
            Ok(json) => text("application/json", json),
            Err(error) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Problem::new(status, "view", error.to_string()).response("")
            }
        }
    }

    fn picture(&self) -> FleetPicture {
        let group = self.group.as_ref().map(|group| group.borrow());
        let balancer = self.balancer.borrow();
        let node = |one: &Rc<SimulatedNode>| NodeNow {
            stage: one.stage.get(),
            target: balancer.state(one.node),
            routed: self.routing.has(one.node),
            picture: one.driver.get().filter(|_| !one.ended()).map(picture),
        };
        let members = self.members.borrow();
        let nodes = members
            .values()
            .map(|one| (one.node.to_string(), node(one)));
        FleetPicture {
            desired: group.as_ref().map(|group| group.desired()),
            pooled: group.as_ref().map_or(0, |group| group.pooled()),
            time_scale: self.clock.scale(),
            clock: self.clock.now().since(Instant::START).as_secs_f64(),
            nodes: nodes.collect(),
            ended: [self.counted_before().all(), self.answered.all()].concat(),
            triggers: self.triggers.view(),
        }
    }
}

fn unknown_path() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_path",
        "the platform has no such path",
    )
    .hint(
        "a fleet's are GET /_fnlocal/health, view, logs, errors and metrics, and POST \
         /_fnlocal/cold and /_fnlocal/nodes/NAME/kill or /drain",
    )
}

fn text(kind: &'static str, text: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(text));
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
