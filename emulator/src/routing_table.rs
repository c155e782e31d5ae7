//! The nodes that take part in the routing, and with what load.
//!
//! The simulated nodes of one process share one table, so they never disagree. A node on a machine of
//! its own has one for itself and fills it from its peers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use fnlocal_core::{
    Entered, FunctionId, FunctionStanding, NodeId, Route, Router, RouterSettings, routing,
};
use http::HeaderValue;

use fnlocal_gateway::peers::{Counted, Link, PeerRoute, Peers};

/// The nodes requests are routed to.
pub(crate) struct RoutingTable {
    router: RefCell<Router>,
    /// The ways to them, but for a node's own.
    links: RefCell<BTreeMap<NodeId, Rc<Link>>>,
    /// Nodes number their functions each for itself, so these are the table's own numbers.
    functions: RefCell<BTreeMap<Arc<str>, FunctionId>>,
    token: HeaderValue,
}

/// One node's view of a table that all share.
struct NodeRoutes {
    node: NodeId,
    table: Rc<RoutingTable>,
}

impl RoutingTable {
    /// Without nodes. `token` is what they prove by that they are some.
    pub fn new(token: HeaderValue) -> Rc<Self> {
        Rc::new(Self {
            router: RefCell::new(Router::new(RouterSettings::default())),
            links: RefCell::default(),
            functions: RefCell::default(),
            token,
        })
    }

    /// A node takes part. `bears` is how many requests it bears at once.
    pub fn join(&self, node: NodeId, name: &str, link: Option<Rc<Link>>, bears: u32) {
        let key = routing::key(name);
        self.router.borrow_mut().join(node, key, bears);
        if let Some(link) = link {
            self.links.borrow_mut().insert(node, link);
        }
    }

    /// A node takes part no more.
    pub fn leave(&self, node: NodeId) {
        self.router.borrow_mut().leave(node);
        self.links.borrow_mut().remove(&node);
    }

    /// Returns whether a node other than its own takes part.
    pub fn has(&self, node: NodeId) -> bool {
        self.links.borrow().contains_key(&node)
    }

    /// The way to a node.
    pub fn link(&self, node: NodeId) -> Option<Rc<Link>> {
        self.links.borrow().get(&node).cloned()
    }

    /// Returns the token by which nodes recognise each other.
    pub fn token(&self) -> &HeaderValue {
        &self.token
    }

    /// The number of functions the table knows by name.
    pub fn functions(&self) -> usize {
        self.functions.borrow().len()
    }

    /// Returns whether the table knows a function by name.
    pub fn knows(&self, function: &str) -> bool {
        self.functions.borrow().contains_key(function)
    }

    /// Sets the number of requests that a node's ready instances serve at once, by function.
    pub fn ready(&self, node: NodeId, slots: &[(Arc<str>, u32)]) {
        for (function, slots) in slots {
            let function = self.number(function);
            self.router.borrow_mut().ready(function, node, *slots);
        }
    }

    /// How a function stands on a node.
    pub fn publish(&self, node: NodeId, function: &str, standing: FunctionStanding) {
        let function = self.number(function);
        self.router.borrow_mut().publish(function, node, standing);
    }

    /// Where a request that a client sent to `node` is served. `serves` says whether another node has
    /// the function.
    pub fn route(
        self: &Rc<Self>,
        function: &str,
        node: NodeId,
        idle_here: &dyn Fn() -> bool,
        serves: impl Fn(NodeId) -> bool,
    ) -> (PeerRoute, Counted) {
        let number = self.number(function);
        let entered = Entered::from_client(number);
        let route = self.router.borrow_mut().route(entered, node, idle_here);
        let (to, way) = match route {
            Route::Local => (node, PeerRoute::Local),
            Route::Remote(forward) => {
                let to = forward.to();
                let Some(link) = self.link(to).filter(|_| serves(to)) else {
                    self.router.borrow_mut().ended(number, to);
                    return (PeerRoute::Local, Counted::until(|| {}));
                };
                (to, PeerRoute::Remote(forward, link))
            }
        };
        let table = Rc::clone(self);
        let ended = move || table.router.borrow_mut().ended(number, to);
        (way, Counted::until(ended))
    }

    /// Returns the view for a node's gateway.
    pub fn seat(self: &Rc<Self>, node: NodeId) -> Rc<dyn Peers> {
        let table = Rc::clone(self);
        Rc::new(NodeRoutes { node, table })
    }

    /// The requests that count on a node.
    #[cfg(test)]
    pub fn load(&self, node: NodeId) -> u32 {
        self.router.borrow().load(node)
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
}

impl Peers for NodeRoutes {
    fn token(&self) -> &HeaderValue {
        self.table.token()
    }

    fn route(&self, function: &str, idle_here: &dyn Fn() -> bool) -> (PeerRoute, Counted) {
        self.table.route(function, self.node, idle_here, |_| true)
    }

    fn lost(&self, node: NodeId) {
        self.table.leave(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(nodes: u32) -> Rc<RoutingTable> {
        let table = RoutingTable::new(HeaderValue::from_static("0f"));
        for node in (1..=nodes).map(NodeId) {
            let link = Link::new(([127, 0, 0, 1], 1).into());
            table.join(node, &node.to_string(), Some(link), 8);
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
    fn a_function_is_served_on_the_same_node_wherever_its_requests_enter() {
        let table = table(4);
        let mut homes = std::collections::BTreeSet::new();
        for entered in (1..=4).map(NodeId) {
            let (way, _counted) = table.seat(entered).route("bid", &|| false);
            homes.insert(there(&way).unwrap_or(entered));
        }
        assert_eq!(homes.len(), 1, "{homes:?}");
    }

    #[test]
    fn a_lost_node_gets_no_requests_until_it_joins_again() {
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
        table.join(home, &home.to_string(), Some(link), 8);
        assert_eq!(of(1), home);
    }

    #[test]
    fn a_request_counts_towards_its_nodes_load_until_it_ends() {
        let table = table(2);
        let (way, counted) = table.seat(NodeId(1)).route("bid", &|| false);
        let home = there(&way).unwrap_or(NodeId(1));
        assert_eq!(table.load(home), 1);
        drop(counted);
        assert_eq!(table.load(home), 0);
    }
}
