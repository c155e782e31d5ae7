//! The shared state of a node's parts: the serving release, and the node's status.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use fnlocal_core::FunctionStanding;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::membership::{PeerStatus, PeerTable};
use super::ownership::Duties;
use super::serving::{EnteredRequest, Serving};
use super::{Ending, NodeOptions};
use fnlocal_faults::Broken;
use fnlocal_faults::{Fault, Faults};
use fnlocal_gateway::triggers::Triggers;
use fnlocal_logs::Logs;

/// How often a node looks at itself and at its peers.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// A node.
pub(super) struct NodeState {
    name: String,
    pub company: Rc<PeerTable>,
    pub triggers: Rc<Triggers>,
    pub logs: Logs,
    serving: RefCell<Option<Rc<Serving>>>,
    /// The functions that this node owns.
    owned: RefCell<BTreeSet<String>>,
    /// The release that was told last.
    pub wanted: RefCell<Option<String>>,
    /// A release that could not be loaded, until another is wanted or it can.
    pub refused: RefCell<Option<String>>,
    ending: Cell<bool>,
    /// Requests whose answer has not begun, of whatever release.
    under_way: watch::Sender<usize>,
    /// All loaded releases, those that finish included.
    lives: RefCell<JoinSet<()>>,
    /// Told when one breaks down.
    breakdown: mpsc::Sender<Broken>,
}

/// A request until its answer begins, so that the node does not end before.
pub(super) struct NodeRequest {
    state: Rc<NodeState>,
    pub serving: Rc<Serving>,
    _entered: EnteredRequest,
}

/// How a node is, for the balancer and for people.
#[derive(Serialize)]
pub(super) struct NodeHealth {
    node: String,
    state: NodePhase,
    /// The release that serves.
    release: Option<String>,
    /// The one that is wanted.
    wanted: Option<String>,
    /// The one that could not be loaded.
    refused: Option<String>,
    /// Other nodes that answer.
    peers: usize,
    /// Parts of the node that are missing.
    faults: Vec<Fault>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum NodePhase {
    Loading,
    Ready,
    Draining,
}

impl NodeHealth {
    /// The node's name.
    pub fn node(&self) -> String {
        self.node.clone()
    }

    /// Returns whether requests are accepted.
    pub fn is_good(&self) -> bool {
        self.state == NodePhase::Ready
    }

    /// Returns whether the node itself has no fault.
    pub fn is_well(&self) -> bool {
        self.faults.is_empty()
    }
}

impl NodeState {
    /// Returns a node without a release, and the receiver of its faults.
    pub fn new(
        options: &NodeOptions,
        company: Rc<PeerTable>,
        triggers: Rc<Triggers>,
        logs: Logs,
    ) -> (Rc<Self>, mpsc::Receiver<Broken>) {
        let (breakdown, broken) = mpsc::channel(1);
        let state = Rc::new(Self {
            name: options.name.clone(),
            company,
            triggers,
            owned: RefCell::default(),
            logs,
            serving: RefCell::default(),
            wanted: RefCell::default(),
            refused: RefCell::default(),
            ending: Cell::new(false),
            under_way: watch::Sender::new(0),
            lives: RefCell::default(),
            breakdown,
        });
        (state, broken)
    }

    /// Enters a request; `None` if there is no release to serve it.
    pub fn enter(self: &Rc<Self>) -> Option<NodeRequest> {
        let serving = self.serving()?;
        self.under_way.send_modify(|count| *count += 1);
        Some(NodeRequest {
            state: Rc::clone(self),
            _entered: serving.enter(),
            serving,
        })
    }

    /// The release that serves.
    pub fn serving(&self) -> Option<Rc<Serving>> {
        self.serving.borrow().clone()
    }

    /// Requests and jobs go to another release from now on. Returns the one before.
    pub fn switch(&self, to: Rc<Serving>) -> Option<Rc<Serving>> {
        self.triggers.feed().add(Rc::clone(&to.driver));
        let before = self.serving.replace(Some(to));
        match &before {
            Some(before) => self.triggers.feed().remove(&before.driver),
            None => self.company.begins(),
        }
        self.publish();
        self.triggers.look_again();
        before
    }

    pub fn health(&self) -> NodeHealth {
        let release = self.serving().map(|serving| serving.tag.clone());
        let state = match &release {
            _ if self.ending.get() => NodePhase::Draining,
            Some(_) => NodePhase::Ready,
            None => NodePhase::Loading,
        };
        let missing = Faults::process().missing().into_iter();
        let missing = missing.chain(self.triggers.fault()).collect();
        NodeHealth {
            node: self.name.clone(),
            state,
            release,
            wanted: self.wanted.borrow().clone(),
            refused: self.refused.borrow().clone(),
            peers: self.company.others(),
            faults: missing,
        }
    }

    /// Returns the report for its peers.
    pub fn says(&self) -> PeerStatus {
        PeerStatus {
            node: self.name.clone(),
            open: self.health().is_good(),
            bears: self.company.bears(),
            functions: self.company.own(),
            duties: self.duties(),
        }
    }

    /// Returns the duties that only one node may have.
    fn duties(&self) -> Duties {
        let looked = self.triggers.looked().into_iter();
        let looked = looked.filter_map(|(function, until)| Some((function, until?)));
        Duties {
            // A time that is being fired is not yet reported as fired.
            claims: self
                .exclusive(|name| self.company.claims(name) || self.triggers.is_firing(name)),
            looked: looked.collect(),
        }
    }

    /// Of the functions that have something only one node may see to those that are `wanted`.
    fn exclusive(&self, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let mut names = self.triggers.exclusive();
        names.retain(|name| wanted(name));
        names
    }

    /// Notices that this node's duties may have changed since a second ago.
    fn notice_duties(&self) {
        let owned = self.exclusive(|name| self.company.owns(name).is_some());
        if *self.owned.borrow() != owned {
            self.owned.replace(owned);
            self.triggers.look_again();
        }
    }

    /// Makes health checks and peers send nothing from now on.
    pub fn begin_to_end(&self) {
        self.ending.set(true);
        self.company.close();
    }

    /// Waits until no request has come for a while.
    pub async fn quiet(&self, ending: Ending) {
        if self.serving().is_none() {
            return;
        }
        let mut under_way = self.under_way.subscribe();
        let quiet = async {
            loop {
                // Its sender lives as long as the state.
                let open = under_way.wait_for(|count| *count == 0).await;
                drop(open);
                if timeout(ending.quiet, under_way.changed()).await.is_err() {
                    return;
                }
            }
        };
        let late = timeout(ending.drain, quiet).await.is_err();
        if late {
            self.logs
                .warn("requests still come in, and are not taken any more");
        }
    }

    /// Keeps a loaded release until it ends.
    pub fn keep(&self, life: impl Future<Output = Result<(), Broken>> + 'static) {
        let breakdown = self.breakdown.clone();
        let mut lives = self.lives.borrow_mut();
        while lives.try_join_next().is_some() {}
        lives.spawn_local(async move {
            let _guard = Faults::process().guard("a loaded release");
            if let Err(broken) = life.await {
                // The node may be ending already.
                let _ending = breakdown.send(broken).await;
            }
        });
    }

    /// Ends all loaded releases.
    pub async fn leave(&self) {
        if let Some(serving) = self.serving.take() {
            serving.leave.cancel();
        }
        let mut lives = self.lives.take();
        while lives.join_next().await.is_some() {}
    }

    /// Tells itself, and whoever keeps the metrics, how it stands, every second.
    pub async fn keep_telling(self: Rc<Self>, committed: Box<dyn Fn(f64)>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.publish();
            self.notice_duties();
            if let Some(serving) = self.serving() {
                let load = serving.driver.load();
                let promised = load.memory_promised_mib as f64;
                let all = f64::from(serving.limits.memory_mib.max(1));
                committed((promised / all * 100.0).min(100.0));
            }
        }
    }

    fn publish(&self) {
        let Some(serving) = self.serving() else {
            return;
        };
        let driver = &serving.driver;
        let mut functions: BTreeMap<String, FunctionStanding> = BTreeMap::new();
        for (name, slots) in driver.slots() {
            functions.insert(name.to_string(), FunctionStanding { in_hand: 0, slots });
        }
        for view in driver.view().functions {
            let name = driver.function(view.function).map(|one| one.name.clone());
            if let Some(standing) = name.and_then(|name| functions.get_mut(&*name)) {
                standing.in_hand = view.queued + view.running;
            }
        }
        self.company.stand(functions);
    }
}

impl Drop for NodeRequest {
    fn drop(&mut self) {
        self.state.under_way.send_modify(|count| *count -= 1);
    }
}
