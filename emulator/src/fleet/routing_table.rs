//! Who takes part in the routing, and with what load.
//!
//! The nodes of one process share one table, so they never disagree. A node on a machine of its
//! own would keep one for itself and be told by its peers; what a gateway sees of it,
//! [`Peers`], stays the same.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use fnlocal_core::{Entered, FunctionId, NodeId, Route, Router, RouterSettings, routing};
use http::HeaderValue;

use fnlocal_gateway::peers::{Counted, Link, PeerRoute, Peers};

/// The nodes requests are routed to.
pub(super) struct RoutingTable {
    router: RefCell<Router>,
    links: RefCell<BTreeMap<NodeId, Rc<Link>>>,
    /// Nodes number their functions each for itself, so the table does for all.
    functions: RefCell<BTreeMap<Arc<str>, FunctionId>>,
    token: HeaderValue,
}

/// One node's place on the table.
struct NodeRoutes {
    node: NodeId,
    table: Rc<RoutingTable>,
}

impl RoutingTable {
    /// Without nodes. `token` is what they prove by that they are some.
    pub fn new(token: &str) -> Rc<Self> {
        Rc::new(Self {
            router: RefCell::new(Router::new(RouterSettings::default())),
            links: RefCell::default(),
            functions: RefCell::default(),
            token: HeaderValue::from_str(token).expect("hexadecimal digits"),
        })
    }

    /// A node takes part. `bears` is how many requests it bears at once.
    pub fn join(&self, node: NodeId, link: Rc<Link>, bears: u32) {
        let key = routing::key(&node.to_string());
        self.router.borrow_mut().join(node, key, bears);
        self.links.borrow_mut().insert(node, link);
    }

    /// A node takes part no more.
    pub fn leave(&self, node: NodeId) {
        self.router.borrow_mut().leave(node);
        self.links.borrow_mut().remove(&node);
    }

    /// Whether a node takes part.
    pub fn has(&self, node: NodeId) -> bool {
        self.links.borrow().contains_key(&node)
    }

    /// What a node's ready instances take at once, by function.
    pub fn publish(&self, node: NodeId, slots: &[(Arc<str>, u32)]) {
        for (function, slots) in slots {
            let function = self.number(function);
            self.router.borrow_mut().ready(function, node, *slots);
        }
    }

    /// What a node's gateway asks.
    pub fn seat(self: &Rc<Self>, node: NodeId) -> Rc<dyn Peers> {
        let table = Rc::clone(self);
        Rc::new(NodeRoutes { node, table })
    }

    fn number(&self, function: &str) -> FunctionId {
        let mut functions = self.functions.borrow_mut();
        if let Some(&known) = functions.get(function) {
            return known;
        }
        let number = FunctionId(u32::try_from(functions.len()).unwrap_or(u32::MAX));
        functions.insert(Arc::from(function), number);
        let key = routing::key(function);
        self.router.borrow_mut().name(number, key);
        number
    }

    fn counted(self: &Rc<Self>, function: FunctionId, node: NodeId) -> Counted {
        let table = Rc::clone(self);
        Counted::until(move || table.router.borrow_mut().ended(function, node))
    }
}

impl Peers for NodeRoutes {
    fn token(&self) -> &HeaderValue {
        &self.table.token
    }

    fn route(&self, function: &str, idle_here: &dyn Fn() -> bool) -> (PeerRoute, Counted) {
        let function = self.table.number(function);
        let entered = Entered::from_client(function);
        let mut router = self.table.router.borrow_mut();
        let route = router.route(entered, self.node, idle_here);
        drop(router);
        let Route::Remote(forward) = route else {
            return (PeerRoute::Local, self.table.counted(function, self.node));
        };
        let counted = self.table.counted(function, forward.to());
        let link = self.table.links.borrow().get(&forward.to()).cloned();
        let way = link.map_or(PeerRoute::Local, |link| PeerRoute::Remote(forward, link));
        (way, counted)
    }

    fn lost(&self, node: NodeId) {
        self.table.leave(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(nodes: u32) -> Rc<RoutingTable> {
        let table = RoutingTable::new("0f");
        for node in (1..=nodes).map(NodeId) {
            let link = Link::new(([127, 0, 0, 1], 1).into());
            table.join(node, link, 8);
        }
        table
    }

    fn there(way: &PeerRoute) -> Option<NodeId> {
        match way {
            PeerRoute::Local => None,
            PeerRoute::Remote(forward, _) => Some(forward.to()),
        }
    }

    #[test]
    fn wherever_a_request_enters_it_is_served_on_the_same_node() {
        let table = table(4);
        let mut homes = std::collections::BTreeSet::new();
        for entered in (1..=4).map(NodeId) {
            let (way, _counted) = table.seat(entered).route("bid", &|| false);
            homes.insert(there(&way).unwrap_or(entered));
        }
        assert_eq!(homes.len(), 1, "{homes:?}");
    }

    #[test]
    fn a_node_that_was_lost_is_sent_nothing_until_it_joins_again() {
        let table = table(2);
        let of = |entered| {
            let (way, _counted) = table.seat(NodeId(entered)).route("bid", &|| false);
            there(&way).unwrap_or(NodeId(entered))
        };
        let home = of(1);
        table.seat(NodeId(1)).lost(home);
        assert!(!table.has(home));
        assert_ne!(of(1), home);
        let link = Link::new(([127, 0, 0, 1], 1).into());
        table.join(home, link, 8);
        assert_eq!(of(1), home);
    }

    #[test]
    fn a_request_counts_on_its_node_until_it_ends() {
        let table = table(2);
        let (way, counted) = table.seat(NodeId(1)).route("bid", &|| false);
        let home = there(&way).unwrap_or(NodeId(1));
        assert_eq!(table.router.borrow().load(home), 1);
        drop(counted);
        assert_eq!(table.router.borrow().load(home), 0);
    }
}
