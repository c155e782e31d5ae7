//! Several nodes in this process, as they will be in the cloud: each with a core, a gateway,
//! memory and instances of its own, behind a balancer, and as many as an auto-scaling group wants.
//!
//! What is decided is decided by [`fnlocal_core::balancer`], [`fnlocal_core::scaling`] and
//! [`fnlocal_core::routing`], as in the simulation and in the cloud. Here it is performed: nodes
//! are sessions on this thread, booting is waiting for as long as a machine would take.

mod admin;
mod clock;
mod control;
mod front;
mod member;
mod retired_counts;
mod routing_table;
mod settings;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use fnlocal_core::balancer::Balancer;
use fnlocal_core::scaling::ScalingGroup;
use fnlocal_core::time::Instant;
use fnlocal_core::{NodeId, NodeLimits};
use fnlocal_sim::Times;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinSet, spawn_local};

pub use settings::{FleetError, FleetOptions, MAX_NODES, Settings, Size};

pub(crate) use member::NodeStage;
pub(crate) use settings::share;

use crate::dashboard::{About, Dashboard};
use crate::serve::{Addresses, Announced, Listeners, Stop};
use clock::Clock;
use fnlocal_driver::{Counts, Describe, Driver, DriverGroup};
use fnlocal_engine::identity::random_hex;
use fnlocal_faults::Broken;
use fnlocal_faults::Faults;
use fnlocal_gateway::GatewayOptions;
use fnlocal_gateway::platform::records;
use fnlocal_gateway::triggers::Triggers;
use fnlocal_logs::Logs;
use fnlocal_project::StateDir;
use fnlocal_runtime::Notice;
use fnlocal_runtime::Runtime;
use fnlocal_runtime::open::Opener;
use member::Member;
use retired_counts::Past;
use routing_table::RoutingTable;

/// The name of the first node.
pub(crate) const FIRST: &str = "n1";

/// A node's runtime, and what it tells unasked.
pub(crate) type Opened = (Arc<dyn Runtime>, mpsc::Receiver<Notice>);

/// What nodes are made of.
pub(crate) struct NodeFactory {
    /// Opens their runtimes.
    pub opener: Opener,
    /// The first node's, if it is open already.
    pub first: RefCell<Option<Opened>>,
    /// Turns their descriptions into functions.
    pub describe: Box<dyn Fn() -> Rc<dyn Describe>>,
    /// Told how many nodes import code.
    pub counted: Box<dyn Fn(usize)>,
    /// Bounds of each.
    pub limits: NodeLimits,
    /// How their gateways behave.
    pub gateway: GatewayOptions,
    /// Where everything is told.
    pub logs: Logs,
    /// What the dashboard is of.
    pub about: About,
}

/// Nodes, and the balancer in front of them.
pub(crate) struct Fleet(Rc<Inner>);

pub(super) struct Inner {
    plant: NodeFactory,
    settings: Settings,
    times: Times,
    clock: Clock,
    feed: DriverGroup,
    roster: Rc<RoutingTable>,
    balancer: RefCell<Balancer>,
    group: Option<RefCell<ScalingGroup>>,
    members: RefCell<BTreeMap<NodeId, Rc<Member>>>,
    past: Past,
    /// What the balancer itself answered; the nodes count the rest.
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
    triggers: OnceCell<Rc<Triggers>>,
    /// What `/_fnlocal/nodes/…` wants to see before it changes anything.
    token: String,
}

impl Fleet {
    /// A fleet without nodes yet.
    pub fn new(plant: NodeFactory, settings: Settings, stop: &Stop) -> Self {
        let group = settings.group.clone();
        Self(Rc::new(Inner {
            times: Times::default(),
            clock: Clock::new(settings.time_scale),
            feed: DriverGroup::default(),
            roster: RoutingTable::new(&random_hex(16)),
            balancer: RefCell::new(Balancer::new(settings.balancer)),
            group: group.map(|group| RefCell::new(ScalingGroup::new(group))),
            members: RefCell::default(),
            past: Past::default(),
            answered: Rc::default(),
            lives: RefCell::default(),
            entered: Cell::new(0),
            begun: Cell::new(false),
            ending: Cell::new(false),
            changed: Notify::new(),
            earlier: Notify::new(),
            armed: Cell::new(None),
            stop: Stop {
                gently: tokio_util::sync::CancellationToken::new(),
                now: stop.now.clone(),
            },
            triggers: OnceCell::new(),
            token: random_hex(16),
            plant,
            settings,
        }))
    }

    /// What the nodes are told of code.
    pub fn feed(&self) -> DriverGroup {
        self.0.feed.clone()
    }

    /// Gives all nodes a queue, schedules and sources; before the first is launched, and once.
    pub fn set_triggers(&self, triggers: Rc<Triggers>) {
        let _already = self.0.triggers.set(triggers);
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
        let mut deadlines = spawn_local(Rc::clone(fleet).keep_deadlines());
        let mut looking = spawn_local(Rc::clone(fleet).look());
        let beside = [deadlines.abort_handle(), looking.abort_handle()];
        let whole = async {
            tokio::select! {
                served = serving => served,
                // Neither ends by itself.
                ended = &mut deadlines => Err(crate::serve::broken(ended).into()),
                ended = &mut looking => Err(crate::serve::broken(ended).into()),
            }
        };
        let ending = async {
            fleet.ending.set(true);
            for task in beside {
                task.abort();
            }
            fleet.stop.gently.cancel();
            let mut lives = fleet.lives.take();
            while lives.join_next().await.is_some() {}
        };
        let logs = &fleet.plant.logs;
        Faults::process()
            .around(|text| logs.warn(text), whole, ending)
            .await
    }

    /// Waits until the first nodes are in service, or will not be. One of them; none when told to
    /// stop.
    ///
    /// # Errors
    /// Not one came up.
    pub async fn in_service(&self, stop: &Stop) -> Result<Option<Rc<Driver>>, FleetError> {
        loop {
            let changed = self.0.changed.notified();
            if let Some(settled) = self.0.settled() {
                return settled.map(Some);
            }
            tokio::select! {
                () = changed => {}
                () = stop.gently.cancelled() => return Ok(None),
            }
        }
    }

    /// Lets other commands, and tests, find this run.
    pub fn announce(&self, at: Addresses, runtime: &str, state: &StateDir) -> Announced {
        let (token, logs) = (self.0.token.clone(), &self.0.plant.logs);
        Announced::with(state, at, runtime, token, logs)
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
        let dashboard = Dashboard::new(&self.0.plant.about, stop.gently.clone());
        let mut pages = dashboard.router();
        let (fleet, archive) = (Rc::clone(&self.0), self.0.plant.logs.archive());
        if let Some(archive) = &archive {
            pages = pages.merge(records(archive.clone().until(&stop.gently)));
        }
        let feeding = spawn_local(async move {
            let _guard = Faults::process().lasting("the dashboard");
            dashboard.run(move || fleet.now(), archive).await;
        });
        let serving = front::serve(&self.0, listeners, pages, stop.gently.clone());
        let mut beside = spawn_local(beside);
        let served = tokio::select! {
            () = serving => Ok(()),
            ended = &mut beside => Err(crate::serve::broken(ended)),
            () = stop.now.cancelled() => Ok(()),
        };
        if let Some(triggers) = self.0.triggers.get() {
            tokio::select! {
                () = triggers.drain() => {}
                () = stop.now.cancelled() => {}
            }
        }
        beside.abort();
        feeding.abort();
        served
    }
}

impl Inner {
    /// How the first nodes came out, once that is known.
    fn settled(&self) -> Option<Result<Rc<Driver>, FleetError>> {
        let members = self.members.borrow();
        let up = members.values().filter(|one| !one.ended());
        let up: Vec<_> = up.collect();
        if up.is_empty() {
            return Some(Err(FleetError::NoNode));
        }
        let balancer = self.balancer.borrow();
        let all = up.iter().all(|one| one.stage.get() == NodeStage::Serving);
        let driver = up.iter().find_map(|one| one.driver.get());
        (all && balancer.healthy() == up.len()).then(|| {
            let driver = driver.expect("a node that serves has a driver");
            Ok(Rc::clone(driver))
        })
    }
}
