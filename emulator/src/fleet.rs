//! Several nodes in this process, as they will be in the cloud: each with a core, a gateway,
//! memory and instances of its own, behind a balancer, and as many as an auto-scaling group wants.
//!
//! [`fnlocal_core::balancer`], [`fnlocal_core::scaling`] and [`fnlocal_core::routing`] decide, as
//! in the simulation and in the cloud. This module performs: nodes are sessions on this thread,
//! booting is waiting for as long as a machine would take.

mod admin;
mod clock;
mod control;
mod front;
mod member;
mod retired_counts;
mod settings;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use fnlocal_core::NodeId;
use fnlocal_core::balancer::Balancer;
use fnlocal_core::scaling::ScalingGroup;
use fnlocal_core::time::Instant;
use http::HeaderValue;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet, spawn_local};
use tokio_util::sync::CancellationToken;

pub use settings::{FleetError, FleetOptions, FleetSettings, MAX_NODES, Size};

use crate::accept::FrontSettings;
use crate::dashboard::{self, NodeStage};
use crate::listeners::Listeners;
use crate::routing_table::RoutingTable;
use crate::session::{NodeFactory, Stop, broken, run_beside};
use clock::FleetClock;
use fnlocal_driver::{Counts, Driver, DriverGroup};
use fnlocal_engine::identity::random_hex;
use fnlocal_faults::Broken;
use fnlocal_gateway::platform;
use fnlocal_gateway::triggers::Triggers;
use member::SimulatedNode;
use retired_counts::RetiredCounts;

/// The name of the first node.
pub(crate) const FIRST_NODE: &str = "n1";

/// Nodes, and the balancer in front of them.
#[derive(Clone)]
pub(crate) struct SimulatedFleet(Rc<FleetState>);

pub(super) struct FleetState {
    /// Makes the nodes.
    factory: NodeFactory,
    settings: FleetSettings,
    /// How requests come in, to the balancer and to each node.
    front: FrontSettings,
    clock: FleetClock,
    /// The nodes' drivers, which get code together.
    drivers: DriverGroup,
    routing: Rc<RoutingTable>,
    balancer: RefCell<Balancer>,
    group: Option<RefCell<ScalingGroup>>,
    members: RefCell<BTreeMap<NodeId, Rc<SimulatedNode>>>,
    retired: RetiredCounts,
    /// The answers of the balancer itself; the nodes count the rest.
    answered: Rc<Counts>,
    lives: RefCell<JoinSet<()>>,
    /// Requests that came to the balancer since the last datapoint.
    entered: Cell<u64>,
    /// The first nodes were launched.
    begun: Cell<bool>,
    /// No node is launched any more.
    ending: Cell<bool>,
    /// Some node is in another stage, or another in service.
    changed: Notify,
    /// Rung when an earlier deadline than the armed one is wanted.
    earlier: Notify,
    armed: Cell<Option<Instant>>,
    stop: Stop,
    /// The queue, schedules and sources of all nodes.
    triggers: Rc<Triggers>,
}

impl SimulatedFleet {
    /// A fleet without nodes yet.
    pub fn new(
        factory: NodeFactory,
        settings: FleetSettings,
        front: FrontSettings,
        triggers: Rc<Triggers>,
        stop: &Stop,
    ) -> Self {
        let group = settings.group.clone();
        let token = HeaderValue::from_str(&random_hex(16)).expect("hexadecimal digits");
        Self(Rc::new(FleetState {
            clock: FleetClock::new(settings.time_scale),
            drivers: triggers.feed().clone(),
            routing: RoutingTable::new(token),
            balancer: RefCell::new(Balancer::new(settings.balancer)),
            group: group.map(|group| RefCell::new(ScalingGroup::new(group))),
            members: RefCell::default(),
            retired: RetiredCounts::default(),
            answered: Rc::default(),
            lives: RefCell::default(),
            entered: Cell::new(0),
            begun: Cell::new(false),
            ending: Cell::new(false),
            changed: Notify::new(),
            earlier: Notify::new(),
            armed: Cell::new(None),
            stop: Stop {
                gently: CancellationToken::new(),
                now: stop.now.clone(),
            },
            triggers,
            factory,
            settings,
            front,
        }))
    }

    /// Launches the first nodes, runs what serves to its end, and ends everything.
    ///
    /// # Errors
    /// Those of `serving`, and [`Broken`] when a task of the fleet ends before it.
    pub async fn run<E: From<Broken>>(
        &self,
        serving: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let fleet = &self.0;
        fleet.begin();
        let mut tasks = [
            spawn_local(Rc::clone(fleet).keep_deadlines()),
            spawn_local(Rc::clone(fleet).look()),
        ];
        let beside = tasks.each_ref().map(JoinHandle::abort_handle);
        let ending = async {
            fleet.ending.set(true);
            for task in beside {
                task.abort();
            }
            fleet.stop.gently.cancel();
            let mut lives = fleet.lives.take();
            while lives.join_next().await.is_some() {}
        };
        run_beside(&mut tasks, serving, ending, &fleet.factory.logs).await
    }

    /// Waits until the first nodes are in service, or will not be. Returns one of them.
    ///
    /// # Errors
    /// Not one came up.
    pub async fn in_service(&self) -> Result<Rc<Driver>, FleetError> {
        loop {
            let changed = self.0.changed.notified();
            if let Some(driver) = self.0.first_in_service()? {
                return Ok(driver);
            }
            changed.await;
        }
    }

    /// Accepts requests until told to stop, then lets those under way finish.
    ///
    /// # Errors
    /// [`Broken`] when `beside`, which runs meanwhile, ends unasked.
    pub async fn serve(
        &self,
        listeners: Listeners,
        beside: impl Future<Output = ()> + 'static,
        stop: &Stop,
    ) -> Result<(), Broken> {
        let (fleet, archive) = (Rc::clone(&self.0), self.0.factory.logs.archive());
        let records = archive.clone().map(|archive| archive.until(&stop.gently));
        let now = move || fleet.now();
        let about = &self.0.front.about;
        let (mut pages, feeding) = dashboard::start(about, archive, stop.gently.clone(), now);
        if let Some(archive) = records {
            pages = pages.merge(platform::records(archive));
        }
        let serving = front::serve(&self.0, listeners, pages, stop.gently.clone());
        let mut beside = spawn_local(beside);
        let served = tokio::select! {
            () = serving => Ok(()),
            ended = &mut beside => Err(broken(ended)),
            () = stop.now.cancelled() => Ok(()),
        };
        tokio::select! {
            () = self.0.triggers.drain() => {}
            () = stop.now.cancelled() => {}
        }
        beside.abort();
        feeding.abort();
        served
    }
}

impl FleetState {
    /// One of the first nodes once all are in service; `None` before that.
    fn first_in_service(&self) -> Result<Option<Rc<Driver>>, FleetError> {
        let members = self.members.borrow();
        let up: Vec<_> = members.values().filter(|one| !one.ended()).collect();
        if up.is_empty() {
            return Err(FleetError::NoNode);
        }
        let serve = up.iter().all(|one| one.stage.get() == NodeStage::Serving);
        if !serve || self.balancer.borrow().healthy() != up.len() {
            return Ok(None);
        }
        Ok(up.iter().find_map(|one| one.driver.get().cloned()))
    }
}
