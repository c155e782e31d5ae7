//! One node of the fleet, from its boot to its end.

use std::cell::{Cell, OnceCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use fnlocal_core::balancer::BalancerEvent;
use fnlocal_core::scaling::GroupEvent;
use fnlocal_core::{Event, NodeId};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{Inner, Opened};
use crate::serve::{self, PEER_KEEP_ALIVE, Session, Stop, with_hint};
use fnlocal_driver::Driver;
use fnlocal_faults::Broken;
use fnlocal_gateway::GatewayOptions;
use fnlocal_gateway::peers::Link;

/// How long a node may take to import its packages.
const IMPORT: Duration = Duration::from_secs(120);

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NodeStage {
    /// Its machine boots.
    Booting,
    /// It imports the code.
    Importing,
    /// It serves.
    Serving,
    /// It finishes what it has.
    Draining,
    /// It ended without a word, or never came up.
    Dead,
    /// It has ended.
    Gone,
}

/// A node.
pub(super) struct Member {
    pub node: NodeId,
    pub stage: Cell<NodeStage>,
    pub driver: OnceCell<Rc<Driver>>,
    pub link: OnceCell<Rc<Link>>,
    pub stop: Stop,
}

impl Member {
    pub fn new(node: NodeId, stop: Stop) -> Rc<Self> {
        Rc::new(Self {
            node,
            stage: Cell::new(NodeStage::Booting),
            driver: OnceCell::new(),
            link: OnceCell::new(),
            stop,
        })
    }

    /// Whether it has ended, in whatever way.
    pub fn ended(&self) -> bool {
        matches!(self.stage.get(), NodeStage::Dead | NodeStage::Gone)
    }
}

impl Inner {
    /// Boots a node after `delay`, serves until it is stopped, and sees to what remains of it.
    pub(super) async fn live(self: Rc<Self>, member: Rc<Member>, delay: Duration) {
        let booted = tokio::select! {
            () = tokio::time::sleep(delay) => true,
            () = member.stop.now.cancelled() => false,
            () = member.stop.gently.cancelled() => false,
        };
        if booted && let Err(why) = self.serve_on(&member).await {
            let text = format!("{} did not come up: {why}", member.node);
            self.plant.logs.warn(text);
            self.set_stage(&member, NodeStage::Dead);
        }
        if let Some(driver) = member.driver.get() {
            self.feed.remove(driver);
        }
        // In the same breath as its end below: never is it counted twice, or not at all.
        self.past.end(member.node);
        self.roster.leave(member.node);
        if member.stage.get() == NodeStage::Dead {
            // The balancer finds out by its checks.
            return self.lost(&member);
        }
        self.set_stage(&member, NodeStage::Gone);
        self.plant.logs.note(format!("{} is gone", member.node));
        self.tell_balancer(BalancerEvent::Gone(member.node));
        self.tell_group(GroupEvent::Terminated(member.node));
    }

    async fn serve_on(self: &Rc<Self>, member: &Rc<Member>) -> Result<(), String> {
        self.set_stage(member, NodeStage::Importing);
        let (runtime, noticed) = self.runtime(&member.node.to_string()).await?;
        let session = Session::start(
            self.plant.limits.clone(),
            runtime,
            (self.plant.describe)(),
            noticed,
            self.plant.logs.clone(),
        );
        let driver = Rc::clone(&session.driver);
        driver.set_node(&member.node.to_string());
        let (roster, node) = (Rc::clone(&self.roster), member.node);
        driver.on_instances(move |driver| roster.publish(node, &driver.slots()));
        // Set here only.
        let _again = member.driver.set(Rc::clone(&driver));
        self.past.begin(member.node, driver.counts());
        self.count_nodes();
        self.feed.add(Rc::clone(&driver));
        let serving = async {
            tokio::select! {
                described = tokio::time::timeout(IMPORT, driver.described(self.feed.packages())) => {
                    described.map_err(|_| NotServed("its code was not imported in time".to_owned()))?;
                }
                () = member.stop.gently.cancelled() => return Ok(()),
                () = member.stop.now.cancelled() => return Ok(()),
            }
            let served = self.accept(member, &driver).await;
            if member.stop.now.is_cancelled() {
                // Nothing is started any more for the requests that were just cut off.
                driver.handle(Event::Drain);
            }
            served
        };
        session.run(serving).await.map_err(|error| error.0)
    }

    /// Takes part, until stopped.
    async fn accept(
        self: &Rc<Self>,
        member: &Rc<Member>,
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
        self.plant.logs.note(format!("{} is up", member.node));
        self.tell_balancer(BalancerEvent::Registered(member.node));
        self.tell_group(GroupEvent::Booted(member.node));
        let options = GatewayOptions {
            node: member.node.to_string(),
            head_timeout: PEER_KEEP_ALIVE,
            ..self.plant.gateway.clone()
        };
        let peers = self.roster.seat(member.node);
        let beside = std::future::pending();
        let stop = &member.stop;
        let front = serve::Front {
            listener,
            platform: None,
            options,
            token: &self.token,
            peers: Some(peers),
            triggers: self.triggers.get().cloned(),
            about: None,
        };
        Ok(serve::accept(driver, front, beside, stop).await?)
    }

    /// A node takes part in the routing.
    pub(super) fn join(&self, member: &Member) {
        let (Some(link), Some(driver)) = (member.link.get(), member.driver.get()) else {
            return;
        };
        // As many as the simulation thinks of a machine of this size.
        let bears = fnlocal_driver::cores() * 4;
        self.roster.join(member.node, Rc::clone(link), bears);
        self.roster.publish(member.node, &driver.slots());
    }

    async fn runtime(&self, name: &str) -> Result<Opened, String> {
        if name == super::FIRST
            && let Some(first) = self.plant.first.take()
        {
            return Ok(first);
        }
        let (notices, noticed) = mpsc::channel(1024);
        let progress = |text| self.plant.logs.note(text);
        let opened = self.plant.opener.open(name, notices, &progress).await;
        let runtime =
            opened.map_err(|error| with_hint(&error.to_string(), error.hint().as_deref()))?;
        Ok((runtime, noticed))
    }
}

/// Why a node does not serve.
struct NotServed(String);

impl From<Broken> for NotServed {
    fn from(broken: Broken) -> Self {
        Self(broken.to_string())
    }
}
