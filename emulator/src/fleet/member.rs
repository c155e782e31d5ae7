//! One node of the fleet, from its boot to its end.

use std::cell::{Cell, OnceCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use fnlocal_api::UserError;
use fnlocal_core::balancer::BalancerEvent;
use fnlocal_core::scaling::GroupEvent;
use fnlocal_core::{Event, NodeId};
use tokio::net::TcpListener;

use super::FleetState;
use crate::accept::{self, NodeFront, PEER_KEEP_ALIVE};
use crate::dashboard::NodeStage;
use crate::session::Stop;
use fnlocal_driver::Driver;
use fnlocal_faults::Broken;
use fnlocal_gateway::peers::Link;
use fnlocal_gateway::{BALANCER_HEADER_BYTES, GatewayOptions, TrustedProxies};

/// How long a node may take to import its packages.
const IMPORT: Duration = Duration::from_secs(120);

/// A node.
pub(super) struct SimulatedNode {
    pub node: NodeId,
    pub stage: Cell<NodeStage>,
    pub driver: OnceCell<Rc<Driver>>,
    pub link: OnceCell<Rc<Link>>,
    pub stop: Stop,
}

impl SimulatedNode {
    pub fn new(node: NodeId, stop: Stop) -> Rc<Self> {
        Rc::new(Self {
            node,
            stage: Cell::new(NodeStage::Booting),
            driver: OnceCell::new(),
            link: OnceCell::new(),
            stop,
        })
    }

    /// Returns whether it has ended, in any way.
    pub fn ended(&self) -> bool {
        matches!(self.stage.get(), NodeStage::Dead | NodeStage::Gone)
    }
}

impl FleetState {
    /// Boots a node after `delay`, serves until it is stopped, and sees to what remains of it.
    pub(super) async fn live(self: Rc<Self>, member: Rc<SimulatedNode>, delay: Duration) {
        let booted = tokio::select! {
            () = tokio::time::sleep(delay) => true,
            () = member.stop.now.cancelled() => false,
            () = member.stop.gently.cancelled() => false,
        };
        if booted && let Err(why) = self.serve_on(&member).await {
            let text = format!("{} did not come up: {why}", member.node);
            self.factory.logs.warn(text);
            self.set_stage(&member, NodeStage::Dead);
        }
        if let Some(driver) = member.driver.get() {
            self.drivers.remove(driver);
        }
        // In the same breath as its end below: never is it counted twice, or not at all.
        self.retired.end(member.node);
        self.routing.leave(member.node);
        if member.stage.get() == NodeStage::Dead {
            // The balancer finds out by its checks.
            return self.lost(&member);
        }
        self.set_stage(&member, NodeStage::Gone);
        self.factory.logs.note(format!("{} is gone", member.node));
        self.report_to_balancer(BalancerEvent::Gone(member.node));
        self.report_to_group(GroupEvent::Terminated(member.node));
    }

    async fn serve_on(self: &Rc<Self>, member: &Rc<SimulatedNode>) -> Result<(), String> {
        self.set_stage(member, NodeStage::Importing);
        let opened = self.factory.open(&member.node.to_string()).await;
        let session = opened.map_err(|error| error.report())?;
        let driver = Rc::clone(&session.driver);
        driver.set_node(&member.node.to_string());
        let (routing, node) = (Rc::clone(&self.routing), member.node);
        driver.on_instances(move |driver| routing.ready(node, &driver.slots()));
        // Set here only.
        let _again = member.driver.set(Rc::clone(&driver));
        self.retired.begin(member.node, driver.counts());
        self.count_nodes();
        self.drivers.add(Rc::clone(&driver));
        let serving = async {
            tokio::select! {
                described = tokio::time::timeout(IMPORT, driver.described(self.drivers.packages())) => {
                    described.map_err(|_| NotServed("its code was not imported in time".to_owned()))?;
                }
                () = member.stop.gently.cancelled() => return Ok(()),
                () = member.stop.now.cancelled() => return Ok(()),
            }
            let served = self.accept(member, &driver).await;
            if member.stop.now.is_cancelled() {
                // Nothing is started any more for the requests that were cut off.
                driver.handle(Event::Drain);
            }
            served
        };
        session.run(serving).await.map_err(|error| error.0)
    }

    /// Takes part, until stopped.
    async fn accept(
        self: &Rc<Self>,
        member: &Rc<SimulatedNode>,
        driver: &Rc<Driver>,
    ) -> Result<(), NotServed> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let fail = |error: std::io::Error| NotServed(error.to_string());
        let listener = TcpListener::bind(any).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        // Set here only.
        let _again = member.link.set(Link::new(address));
        self.set_stage(member, NodeStage::Serving);
        self.join(member);
        self.factory.logs.note(format!("{} is up", member.node));
        self.report_to_balancer(BalancerEvent::Registered(member.node));
        self.report_to_group(GroupEvent::Booted(member.node));
        let options = GatewayOptions {
            node: member.node.to_string(),
            head_timeout: PEER_KEEP_ALIVE,
            // The balancer in front has established the client.
            trusted_proxies: TrustedProxies::loopback(),
            max_header_size: self.front.gateway.max_header_size + BALANCER_HEADER_BYTES,
            ..self.front.gateway.clone()
        };
        let peers = self.routing.seat(member.node);
        let beside = std::future::pending();
        let stop = &member.stop;
        let front = NodeFront {
            listener,
            platform: None,
            options,
            token: &self.front.token,
            peers: Some(peers),
            triggers: Rc::clone(&self.triggers),
            about: None,
        };
        Ok(accept::accept(driver, front, beside, stop).await?)
    }

    /// A node takes part in the routing.
    pub(super) fn join(&self, member: &SimulatedNode) {
        let (Some(link), Some(driver)) = (member.link.get(), member.driver.get()) else {
            return;
        };
        // As many as the simulation thinks of a machine of this size.
        let bears = fnlocal_driver::cores() * 4;
        let (node, link) = (member.node, Rc::clone(link));
        self.routing
            .join(node, &node.to_string(), Some(link), bears);
        self.routing.ready(node, &driver.slots());
    }
}

/// Why a node does not serve.
struct NotServed(String);

impl From<Broken> for NotServed {
    fn from(broken: Broken) -> Self {
        Self(broken.to_string())
    }
}
