//! The choice of the node that serves a request.
//!
//! Rendezvous hashing (Thaler and Ravishankar, 1998) gives every function an order of the nodes:
//! a node that joins or leaves moves only what it gets or had. A function's requests go to the
//! first node of its order until that has its share of them, then to the second as well, and so
//! on, so that a function spreads as its demand grows and the rest stay together. No node takes
//! more than a quarter above the mean (consistent hashing with bounded loads: Mirrokni, Thorup and
//! Zadimoghaddam, 2016) unless it has little to do.
//!
//! The answer follows from the members and what is known of their load, so gateways that know the
//! same say the same. Deliberately absent: how they come to know it. Loads are counted by those who
//! route ([`Router::route`], [`Router::ended`]) and corrected by what nodes publish
//! ([`Router::publish`]).

mod hash;
mod spread;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{FunctionId, NodeId};

pub use hash::{key, mix};
use spread::Spread;

/// How requests are spread, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterSettings {
    /// The maximum load of a node, in percent of the mean load.
    pub bound: u32,
    /// Load below which a node is never over its bound, of its capacity: while little happens, a
    /// bound of the mean would only tear functions apart.
    pub quiet: u32,
    /// Requests of one function a node takes before the next node takes some, of its capacity.
    pub share: u32,
}

impl Default for RouterSettings {
    fn default() -> Self {
        Self {
            bound: 125,
            quiet: 50,
            share: 50,
        }
    }
}

/// A request as it came from a client. A request can be routed once: [`Router::route`] takes it,
/// and a forward gives no such request back.
#[derive(Debug)]
pub struct Entered {
    function: FunctionId,
}

impl Entered {
    /// To be made where clients' connections end, and nowhere else.
    #[must_use]
    pub const fn from_client(function: FunctionId) -> Self {
        Self { function }
    }
}

/// A request on its way from the node it entered to the node that will serve it. The receiving node
/// serves it in any case: a disagreement costs a cold start, never a loop.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    to: NodeId,
}

impl Forward {
    /// Where to.
    #[must_use]
    pub const fn to(&self) -> NodeId {
        self.to
    }
}

/// Where a request is served.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    /// Where it entered.
    Local,
    /// On another node.
    Remote(Forward),
}

/// A node's report on one of its functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionStanding {
    /// Requests that wait or run there.
    pub in_hand: u32,
    /// Requests its ready instances take at once.
    pub slots: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RoutingMember {
    node: NodeId,
    key: u64,
    /// Requests it bears at once.
    capacity: u32,
    in_hand: u32,
}

/// Decides where requests go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Router {
    settings: RouterSettings,
    slots: BTreeMap<NodeId, usize>,
    /// By slot; `None` for a node that has left.
    members: Vec<Option<RoutingMember>>,
    functions: BTreeMap<FunctionId, Spread>,
    capacity: u64,
    in_hand: u64,
}

impl Router {
    /// Without nodes.
    #[must_use]
    pub fn new(settings: RouterSettings) -> Self {
        Self {
            settings,
            slots: BTreeMap::new(),
            members: Vec::new(),
            functions: BTreeMap::new(),
            capacity: 0,
            in_hand: 0,
        }
    }

    /// A node takes part. `key` is what all nodes know it by, hashed with [`key`]; `capacity` is
    /// how many requests it bears at once.
    pub fn join(&mut self, node: NodeId, key: u64, capacity: u32) {
        self.leave(node);
        let free = self.members.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.members.len());
        if slot == self.members.len() {
            self.members.push(None);
        }
        let capacity = capacity.max(1);
        let share = self.share(capacity);
        for spread in self.functions.values_mut() {
            spread.join(slot, key, share);
        }
        self.members[slot] = Some(RoutingMember {
            node,
            key,
            capacity,
            in_hand: 0,
        });
        self.slots.insert(node, slot);
        self.capacity += u64::from(capacity);
    }

    /// A node died or drains: nothing goes there from now on.
    pub fn leave(&mut self, node: NodeId) {
        let Some(slot) = self.slots.remove(&node) else {
            return;
        };
        for spread in self.functions.values_mut() {
            spread.leave(slot);
        }
        if let Some(member) = self.members[slot].take() {
            self.capacity -= u64::from(member.capacity);
            self.in_hand = self.in_hand.saturating_sub(u64::from(member.in_hand));
        }
    }

    /// Gives a function the key all nodes know it by; without one, its number is hashed.
    pub fn name(&mut self, function: FunctionId, key: u64) {
        let spread = self.fresh(key);
        self.functions.insert(function, spread);
    }

    /// Decides where a request that entered `here` is served, and counts it there. `idle_here` says
    /// whether an instance is idle for it where it entered; it is asked only if that matters.
    ///
    /// In order: here, if here is one of those that serve the function and has an idle instance;
    /// the first of them that has one; here, if it has one all the same; the first with room for
    /// another instance; whoever is within its bound.
    pub fn route(&mut self, request: Entered, here: NodeId, idle_here: impl Fn() -> bool) -> Route {
        let function = request.function;
        self.know(function);
        let here_slot = self.slots.get(&here).copied();
        let chosen = self.choose(function, here_slot, &idle_here).or(here_slot);
        let Some(slot) = chosen else {
            return Route::Local;
        };
        self.count(function, slot, 1);
        match &self.members[slot] {
            Some(member) if member.node != here => Route::Remote(Forward { to: member.node }),
            _ => Route::Local,
        }
    }

    /// A request that [`Router::route`] gave to a node has ended.
    pub fn ended(&mut self, function: FunctionId, node: NodeId) {
        if let Some(&slot) = self.slots.get(&node) {
            self.count(function, slot, -1);
        }
    }

    /// A node says how one of its functions stands; what was counted for it is forgotten.
    pub fn publish(&mut self, function: FunctionId, node: NodeId, standing: FunctionStanding) {
        let Some(&slot) = self.slots.get(&node) else {
            return;
        };
        self.know(function);
        let counted = self.functions.get(&function).map(|one| one.in_hand(slot));
        let more = i64::from(standing.in_hand) - i64::from(counted.unwrap_or(0));
        self.count(function, slot, more);
        self.ready(function, node, standing.slots);
    }

    /// Sets the number of requests that a node's ready instances of a function serve at once.
    pub fn ready(&mut self, function: FunctionId, node: NodeId, slots: u32) {
        let Some(&slot) = self.slots.get(&node) else {
            return;
        };
        self.know(function);
        if let Some(spread) = self.functions.get_mut(&function) {
            spread.set_ready(slot, slots);
        }
    }

    /// Over how many nodes a function's present demand is spread.
    #[must_use]
    pub fn spread(&self, function: FunctionId) -> usize {
        self.functions.get(&function).map_or(1, Spread::width)
    }

    /// The nodes in a function's own order.
    #[must_use]
    pub fn order(&self, function: FunctionId) -> Vec<NodeId> {
        let known = self.functions.get(&function).cloned();
        let spread = known.unwrap_or_else(|| self.fresh(mix(u64::from(function.0))));
        let nodes = spread.order().filter_map(|slot| self.node(slot));
        nodes.collect()
    }

    /// Requests a node has in hand, as far as is known here.
    #[must_use]
    pub fn load(&self, node: NodeId) -> u32 {
        let member = self.slots.get(&node).and_then(|&slot| self.member(slot));
        member.map_or(0, |member| member.in_hand)
    }

    /// Requests a node may have in hand at the moment.
    #[must_use]
    pub fn bound(&self, node: NodeId) -> u32 {
        let member = self.slots.get(&node).and_then(|&slot| self.member(slot));
        member.map_or(0, |member| self.bound_of(member))
    }

    /// The nodes that take part.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.slots.keys().copied()
    }

    fn choose(
        &self,
        function: FunctionId,
        here: Option<usize>,
        idle_here: &dyn Fn() -> bool,
    ) -> Option<usize> {
        let spread = self.functions.get(&function)?;
        let within = |slot: &usize| self.within(*slot);
        let here = here.filter(within);
        let serves = |here: &usize| spread.serves(*here) && idle_here();
        if let Some(here) = here.filter(serves) {
            return Some(here);
        }
        let warm = spread.warm().find(within);
        let idle = || here.filter(|_| idle_here());
        let room = || spread.room().find(within);
        let any = || spread.order().find(within);
        warm.or_else(idle).or_else(room).or_else(any)
    }

    /// Returns whether another request leaves a node within its bound.
    fn within(&self, slot: usize) -> bool {
        let member = self.member(slot);
        member.is_some_and(|member| member.in_hand < self.bound_of(member))
    }

    fn bound_of(&self, member: &RoutingMember) -> u32 {
        let share = u128::from(self.in_hand + 1) * u128::from(member.capacity);
        let mean = share * u128::from(self.settings.bound);
        let mean = mean.div_ceil(u128::from(self.capacity.max(1)) * 100);
        let quiet = u64::from(member.capacity) * u64::from(self.settings.quiet) / 100;
        u32::try_from(mean.max(u128::from(quiet))).unwrap_or(u32::MAX)
    }

    fn share(&self, capacity: u32) -> u32 {
        let share = u64::from(capacity) * u64::from(self.settings.share) / 100;
        u32::try_from(share.max(1)).unwrap_or(u32::MAX)
    }

    fn member(&self, slot: usize) -> Option<&RoutingMember> {
        self.members.get(slot).and_then(Option::as_ref)
    }

    fn node(&self, slot: usize) -> Option<NodeId> {
        self.member(slot).map(|member| member.node)
    }

    fn know(&mut self, function: FunctionId) {
        if !self.functions.contains_key(&function) {
            self.name(function, mix(u64::from(function.0)));
        }
    }

    fn fresh(&self, key: u64) -> Spread {
        let mut spread = Spread::new(key);
        for (slot, member) in self.members.iter().enumerate() {
            if let Some(member) = member {
                spread.join(slot, member.key, self.share(member.capacity));
            }
        }
        spread
    }

    fn count(&mut self, function: FunctionId, slot: usize, more: i64) {
        let (Some(spread), Some(member)) = (
            self.functions.get_mut(&function),
            self.members.get_mut(slot).and_then(Option::as_mut),
        ) else {
            return;
        };
        // A request may end that began before its node left and came back.
        let more = more.max(-i64::from(spread.in_hand(slot)));
        spread.count(slot, more);
        let add = |number: u64| number.saturating_add_signed(more);
        self.in_hand = add(self.in_hand);
        member.in_hand = u32::try_from(add(member.in_hand.into())).unwrap_or(u32::MAX);
    }
}
