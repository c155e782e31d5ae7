//! A group of nodes that behaves like an AWS Auto Scaling group with target tracking.
//!
//! Every minute the group gets the metric (CloudWatch's one-minute datapoints). Three minutes above
//! the target raise the number of nodes in proportion; fifteen minutes below 90 % of it lower the
//! number. New nodes count as capacity, but while they warm up nothing is taken away. Scheduled
//! actions change the bounds at times given from outside, and a warm pool holds nodes that have booted
//! before.
//!
//! Deliberately absent: how long a node takes to boot, which whoever performs
//! [`GroupEffect::Launch`] draws or measures; cron expressions, which are turned into times at the
//! edge; zones, and several policies at once.

mod alarm;
mod settings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;
use crate::time::{Duration, Instant};

use alarm::Alarms;
pub use settings::{GroupSettings, ScalingMetric, Scheduled, WarmPoolSettings};

/// Between two datapoints.
const MINUTE: Duration = Duration::from_secs(60);

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum GroupEvent {
    /// The metric of the last minute, as a mean over the nodes in service. None when there is no
    /// datapoint: a balancer without requests gives none.
    Measured(Option<f64>),
    /// A launched node is ready to serve, or to wait in the warm pool.
    Booted(NodeId),
    /// A launched node did not come up.
    BootFailed(NodeId),
    /// A node ended by itself, or its health checks failed.
    Died(NodeId),
    /// A node asked to end is gone.
    Terminated(NodeId),
    /// A deadline told by [`ScalingGroup::next_deadline`] has passed.
    DeadlinePassed,
}

/// Where a node comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Launch {
    /// A new machine.
    Cold,
    /// A stopped machine of the warm pool.
    FromPool,
    /// A new machine that is stopped once it has booted.
    IntoPool,
}

/// An effect to perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupEffect {
    /// Boot a node. Answer: booted or boot failed.
    Launch {
        /// The node.
        node: NodeId,
        /// From where.
        launch: Launch,
    },
    /// End a node once its requests are answered. Answer: terminated.
    Terminate(NodeId),
    /// Tell the metric of the minute that ends now. Answer: measured.
    Measure,
    /// The number of nodes wanted is another.
    Desired {
        /// How many.
        nodes: u32,
        /// The rule that changed the number.
        why: ScalingReason,
    },
}

/// Why the number of nodes wanted changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingReason {
    /// The metric was above the target for long enough.
    High,
    /// The metric was far enough below the target for long enough.
    Low,
    /// A scheduled action.
    Scheduled,
}

impl ScalingReason {
    /// Returns its word in reports, the same as in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
            Self::Scheduled => "scheduled",
        }
    }
}

/// The stage of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum MemberStage {
    Booting,
    InService,
    FillingPool,
    Pooled,
    Terminating,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct GroupMember {
    stage: MemberStage,
    /// Until then it is warming up.
    warm_at: Instant,
}

/// Decides how many nodes there are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScalingGroup {
    settings: GroupSettings,
    nodes: BTreeMap<NodeId, GroupMember>,
    desired: u32,
    alarms: Alarms,
    next_minute: Instant,
    /// Scheduled actions not carried out yet, the next one last.
    scheduled: Vec<Scheduled>,
    /// No scaling because of the metric before this.
    cool_at: Instant,
    next_node: u32,
}

impl ScalingGroup {
    /// A group that is about to launch its first nodes: call [`ScalingGroup::begin`].
    #[must_use]
    pub fn new(settings: GroupSettings) -> Self {
        let mut scheduled = settings.scheduled.clone();
        scheduled.sort_by_key(|action| std::cmp::Reverse(action.at));
        Self {
            desired: settings.min,
            alarms: Alarms::default(),
            nodes: BTreeMap::new(),
            next_minute: Instant::START + MINUTE,
            scheduled,
            cool_at: Instant::START,
            next_node: 1,
            settings,
        }
    }

    /// Launches what is wanted from the start.
    pub fn begin(&mut self, now: Instant, effects: &mut Vec<GroupEffect>) {
        self.next_minute = now + MINUTE;
        self.pass_deadlines(now, effects);
        self.balance(now, effects);
    }

    /// Takes in one event and appends what is to be done about it to `effects`.
    pub fn handle(&mut self, now: Instant, event: GroupEvent, effects: &mut Vec<GroupEffect>) {
        match event {
            GroupEvent::Measured(value) => self.measured(now, value, effects),
            GroupEvent::Booted(node) => self.booted(now, node),
            GroupEvent::BootFailed(node) | GroupEvent::Died(node) => {
                self.nodes.remove(&node);
            }
            GroupEvent::Terminated(node) => {
                self.nodes.remove(&node);
            }
            GroupEvent::DeadlinePassed => {}
        }
        self.pass_deadlines(now, effects);
        self.balance(now, effects);
    }

    /// When [`GroupEvent::DeadlinePassed`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let action = self.scheduled.last().map(|action| action.at);
        Some(action.map_or(self.next_minute, |at| at.min(self.next_minute)))
    }

    /// Nodes wanted.
    #[must_use]
    pub fn desired(&self) -> u32 {
        self.desired
    }

    /// Nodes in service, those warming up included.
    #[must_use]
    pub fn in_service(&self) -> u32 {
        self.count(MemberStage::InService)
    }

    /// Nodes that are paid for: all but those stopped in the warm pool.
    #[must_use]
    pub fn paid(&self) -> u32 {
        let all = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        all - self.count(MemberStage::Pooled)
    }

    /// Nodes stopped in the warm pool.
    #[must_use]
    pub fn pooled(&self) -> u32 {
        self.count(MemberStage::Pooled)
    }

    fn count(&self, stage: MemberStage) -> u32 {
        let found = self.nodes.values().filter(|node| node.stage == stage);
        u32::try_from(found.count()).unwrap_or(u32::MAX)
    }

    /// Nodes that serve, or will.
    fn capacity(&self) -> u32 {
        self.count(MemberStage::InService) + self.count(MemberStage::Booting)
    }

    fn pass_deadlines(&mut self, now: Instant, effects: &mut Vec<GroupEffect>) {
        while let Some(&action) = self.scheduled.last().filter(|action| action.at <= now) {
            self.scheduled.pop();
            self.settings.min = action.min.unwrap_or(self.settings.min);
            self.settings.max = action.max.unwrap_or(self.settings.max);
            self.settings.max = self.settings.max.max(self.settings.min);
            self.want(self.desired, ScalingReason::Scheduled, effects);
        }
        while self.next_minute <= now {
            self.next_minute = self.next_minute + MINUTE;
            effects.push(GroupEffect::Measure);
        }
    }

    fn booted(&mut self, now: Instant, node: NodeId) {
        let Some(member) = self.nodes.get_mut(&node) else {
            return;
        };
        match member.stage {
            MemberStage::Booting => {
                member.stage = MemberStage::InService;
                member.warm_at = now + self.settings.warm_up;
            }
            MemberStage::FillingPool => member.stage = MemberStage::Pooled,
            _ => {}
        }
    }

    fn measured(&mut self, now: Instant, value: Option<f64>, effects: &mut Vec<GroupEffect>) {
        let target = self.settings.metric.target();
        self.alarms.push(value, target);
        let Some(value) = value.filter(|_| self.cool_at <= now) else {
            return;
        };
        let warms = |node: &GroupMember| node.stage == MemberStage::InService && node.warm_at > now;
        let warming = self.nodes.values().any(warms) || self.count(MemberStage::Booting) > 0;
        if self.alarms.high() {
            // The metric is a mean over all that serve, warming or not.
            let wanted = proportional(self.in_service(), value, target).max(self.desired);
            self.scale(now, wanted, ScalingReason::High, effects);
        } else if self.alarms.low() && !warming {
            let wanted = proportional(self.desired, self.alarms.highest_low(), target);
            let wanted = wanted.min(self.desired.saturating_sub(1));
            self.scale(now, wanted, ScalingReason::Low, effects);
        }
    }

    fn scale(
        &mut self,
        now: Instant,
        wanted: u32,
        why: ScalingReason,
        effects: &mut Vec<GroupEffect>,
    ) {
        let before = self.desired;
        self.want(wanted, why, effects);
        if self.desired != before {
            self.cool_at = now + self.settings.cooldown;
        }
    }

    fn want(&mut self, wanted: u32, why: ScalingReason, effects: &mut Vec<GroupEffect>) {
        let nodes = wanted.clamp(self.settings.min, self.settings.max);
        if nodes != self.desired {
            self.desired = nodes;
            effects.push(GroupEffect::Desired { nodes, why });
        }
    }

    /// Launches and ends nodes until there are, or will be, as many as wanted.
    fn balance(&mut self, now: Instant, effects: &mut Vec<GroupEffect>) {
        while self.capacity() < self.desired {
            let pooled = self.nodes.iter_mut();
            let mut pooled = pooled.filter(|(_, node)| node.stage == MemberStage::Pooled);
            if let Some((&node, member)) = pooled.next() {
                member.stage = MemberStage::Booting;
                let launch = Launch::FromPool;
                effects.push(GroupEffect::Launch { node, launch });
            } else {
                self.launch(now, MemberStage::Booting, Launch::Cold, effects);
            }
        }
        while self.capacity() > self.desired {
            // Those that do not serve yet first, then the youngest: what has run longest has the
            // most functions warm.
            let serves = |member: &GroupMember| member.stage == MemberStage::InService;
            let mut order: Vec<_> = self.nodes.iter().collect();
            order.retain(|(_, node)| {
                matches!(node.stage, MemberStage::Booting | MemberStage::InService)
            });
            let last = order
                .into_iter()
                .max_by_key(|&(&id, member)| (!serves(member), id));
            let Some(node) = last.map(|(&id, _)| id) else {
                break;
            };
            if let Some(member) = self.nodes.get_mut(&node) {
                member.stage = MemberStage::Terminating;
            }
            effects.push(GroupEffect::Terminate(node));
        }
        let filling =
            |group: &Self| group.count(MemberStage::Pooled) + group.count(MemberStage::FillingPool);
        let wanted = self.settings.warm_pool.map_or(0, |pool| pool.size);
        while filling(self) < wanted {
            self.launch(now, MemberStage::FillingPool, Launch::IntoPool, effects);
        }
    }

    fn launch(
        &mut self,
        now: Instant,
        stage: MemberStage,
        launch: Launch,
        effects: &mut Vec<GroupEffect>,
    ) {
        let node = NodeId(self.next_node);
        self.next_node += 1;
        let warm_at = now;
        self.nodes.insert(node, GroupMember { stage, warm_at });
        effects.push(GroupEffect::Launch { node, launch });
    }
}

/// Nodes that would bring the metric to its target, if it falls as nodes are added.
fn proportional(nodes: u32, value: f64, target: f64) -> u32 {
    let wanted = f64::from(nodes) * value / target.max(f64::MIN_POSITIVE);
    // Floating point may put a whole number slightly above itself.
    (wanted - 1e-9).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}
