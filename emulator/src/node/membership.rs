//! The other nodes, as far as this one knows: who answers, with what load, and where requests go.
//!
//! Every node keeps its own picture, corrected every second by what the others say of themselves.
//! Where two disagree a request is served on another node than it might be: that costs a cold
//! start, never a loop.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use fnlocal_core::{FunctionStanding, NodeId};
use fnlocal_triggers::scheduler::Owned;
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::NodeError;
use super::bounds::MAX_KNOWN;
use super::ownership::{Duties, Ownership};
use crate::routing_table::RoutingTable;
use fnlocal_driver::cores;
use fnlocal_gateway::peers::{Counted, Link, PeerRoute, Peers};

/// This node's number in its own picture.
const OWN: NodeId = NodeId(0);

/// A node's report on itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerStatus {
    /// Its name.
    pub node: String,
    /// `true` if the node accepts requests.
    pub open: bool,
    /// Requests it bears at once.
    pub bears: u32,
    /// How its functions stand.
    pub functions: BTreeMap<String, FunctionStanding>,
    /// The duties that only one node may have.
    #[serde(default)]
    pub duties: Duties,
}

/// The nodes requests are routed to.
pub(crate) struct PeerTable {
    table: Rc<RoutingTable>,
    /// How the functions of those that take part stand.
    others: RefCell<BTreeMap<NodeId, BTreeMap<String, FunctionStanding>>>,
    /// Numbers for nodes' names, each its own for as long as this node runs.
    numbers: RefCell<BTreeMap<String, NodeId>>,
    own: RefCell<BTreeMap<String, FunctionStanding>>,
    roster: RefCell<Ownership>,
}

impl PeerTable {
    /// Of a node alone. By `key` nodes know each other.
    pub fn new(name: &str, key: &str) -> Result<Rc<Self>, NodeError> {
        let mut token = HeaderValue::from_str(key).map_err(|_| NodeError::Key)?;
        token.set_sensitive(true);
        let table = RoutingTable::new(token);
        table.join(OWN, name, None, bears());
        Ok(Rc::new(Self {
            table,
            others: RefCell::default(),
            numbers: RefCell::new([(name.to_owned(), OWN)].into()),
            own: RefCell::default(),
            roster: RefCell::new(Ownership::new(name)),
        }))
    }

    /// How many other nodes take part.
    pub fn others(&self) -> usize {
        self.others.borrow().len()
    }

    /// Requests this node bears at once.
    pub fn bears(&self) -> u32 {
        bears()
    }

    /// How this node's functions stood last.
    pub fn own(&self) -> BTreeMap<String, FunctionStanding> {
        self.own.borrow().clone()
    }

    /// This node's functions stand so.
    pub fn stand(&self, functions: BTreeMap<String, FunctionStanding>) {
        self.publish(OWN, &functions);
        self.own.replace(functions);
    }

    /// Returns whether a name is this node's own.
    pub fn is(&self, name: &str) -> bool {
        self.numbers.borrow().get(name) == Some(&OWN)
    }

    /// Sets the number of requests that this node's ready instances serve at once.
    pub fn ready(&self, slots: &[(std::sync::Arc<str>, u32)]) {
        self.table.ready(OWN, slots);
    }

    /// This node ends: its clients' requests are served elsewhere if they can be.
    pub fn close(&self) {
        self.table.leave(OWN);
        self.roster.borrow_mut().close();
    }

    /// These are all the nodes there are, this one among them or not.
    pub fn told_of<'a>(&self, names: impl Iterator<Item = &'a str>) {
        self.roster.borrow_mut().told_of(names);
    }

    /// Returns whether this node owns a function's schedule and single-reader sources, and since
    /// when.
    pub fn owns(&self, function: &str) -> Option<Owned> {
        self.roster.borrow().owns(function)
    }

    /// Returns whether this node advertises ownership to its peers.
    pub fn claims(&self, function: &str) -> bool {
        self.roster.borrow().claims(function)
    }

    /// This node begins to serve.
    pub fn begins(&self) {
        self.roster.borrow_mut().begins();
    }

    /// The other node that is to have a function's jobs when this one ends, and after it those that
    /// might have them instead.
    pub fn heirs(&self, function: &str) -> Vec<(NodeId, Rc<Link>)> {
        let order = self.roster.borrow().order(function);
        let numbers = self.numbers.borrow();
        let heir = |name: &String| {
            let node = *numbers.get(name)?;
            Some((node, self.table.link(node)?))
        };
        order.iter().filter_map(heir).collect()
    }

    /// Another node has said how it stands.
    pub fn heard(&self, address: SocketAddr, said: PeerStatus) {
        let said = said.bounded();
        let node = self.node(&said.node);
        if node == OWN {
            return;
        }
        let functions = said.functions.keys().cloned().collect();
        if !said.open {
            self.shuts(said);
            return;
        }
        self.roster
            .borrow_mut()
            .heard(&said.node, functions, said.duties);
        if !self.table.has(node) {
            let link = Some(Link::new(address));
            self.table.join(node, &said.node, link, said.bears);
        }
        self.publish(node, &said.functions);
        self.others.borrow_mut().insert(node, said.functions);
    }

    /// Notes that another node did not answer. Returns whether its ownership still holds.
    pub fn silent(&self, name: &str) -> bool {
        self.leaves(name);
        self.roster.borrow_mut().silent(name)
    }

    /// Another node is sent no more requests.
    pub fn leaves(&self, name: &str) {
        let node = self.node(name);
        self.forget(node);
    }

    /// Notes that another node accepts no requests, or is to get none. Returns whether it still
    /// owns something.
    pub fn shuts(&self, said: PeerStatus) -> bool {
        let said = said.bounded();
        self.leaves(&said.node);
        self.roster.borrow_mut().shut(&said.node, said.duties)
    }

    fn forget(&self, node: NodeId) {
        if self.others.borrow_mut().remove(&node).is_some() {
            self.table.leave(node);
        }
    }

    fn publish(&self, node: NodeId, functions: &BTreeMap<String, FunctionStanding>) {
        for (function, standing) in functions {
            // A peer's name takes room for as long as this node runs.
            let full = node != OWN && self.table.functions() >= MAX_KNOWN;
            if !full || self.table.knows(function) {
                self.table.publish(node, function, *standing);
            }
        }
    }

    fn node(&self, name: &str) -> NodeId {
        let mut nodes = self.numbers.borrow_mut();
        let next = NodeId(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
        *nodes.entry(name.to_owned()).or_insert(next)
    }

    /// The number of functions that have a number.
    #[cfg(test)]
    pub fn known(&self) -> usize {
        self.table.functions()
    }
}

impl Peers for PeerTable {
    fn token(&self) -> &HeaderValue {
        self.table.token()
    }

    fn route(&self, function: &str, idle_here: &dyn Fn() -> bool) -> (PeerRoute, Counted) {
        // A node with another release may not have it.
        let serves = |node| {
            let others = self.others.borrow();
            let functions = others.get(&node);
            functions.is_some_and(|functions| functions.contains_key(function))
        };
        self.table.route(function, OWN, idle_here, serves)
    }

    fn lost(&self, node: NodeId) {
        self.forget(node);
    }
}

/// As many as the simulation thinks of a machine of this size.
fn bears() -> u32 {
    cores() * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company(name: &str) -> Rc<PeerTable> {
        PeerTable::new(name, "0f").unwrap()
    }

    fn said(node: &str, functions: &[&str]) -> PeerStatus {
        let standing = FunctionStanding::default();
        let named = |name: &&str| ((*name).to_owned(), standing);
        PeerStatus {
            node: node.to_owned(),
            open: true,
            bears: 8,
            functions: functions.iter().map(named).collect(),
            duties: Duties::default(),
        }
    }

    fn address() -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    /// The node that serves a function, by what `company`, the node `own`, thinks.
    fn home(company: &Rc<PeerTable>, own: &str, function: &str) -> String {
        let (way, _counted) = company.route(function, &|| false);
        let PeerRoute::Remote(forward, _) = way else {
            return own.to_owned();
        };
        let numbers = company.numbers.borrow();
        let mut nodes = numbers.iter();
        let found = nodes.find(|(_, node)| **node == forward.to());
        found.unwrap().0.clone()
    }

    #[test]
    fn nodes_with_the_same_peers_agree_on_where_functions_are_served() {
        let names = ["i-1", "i-2", "i-3"];
        let functions = ["bid", "mail", "list", "pay"];
        let mut homes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for own in names {
            let company = company(own);
            for other in names.iter().filter(|name| **name != own) {
                company.heard(address(), said(other, &functions));
            }
            for function in functions {
                homes
                    .entry(function)
                    .or_default()
                    .push(home(&company, own, function));
            }
        }
        for (function, homes) in homes {
            assert!(
                homes.iter().all(|home| *home == homes[0]),
                "{function}: {homes:?}"
            );
        }
    }

    /// A function that is served on the other of two nodes.
    fn served_there(company: &Rc<PeerTable>) -> String {
        let names = (0..100).map(|number| format!("f{number}"));
        let all: Vec<String> = names.collect();
        let named: Vec<&str> = all.iter().map(String::as_str).collect();
        company.heard(address(), said("i-2", &named));
        let found = all
            .into_iter()
            .find(|name| home(company, "i-1", name) == "i-2");
        found.unwrap()
    }

    #[test]
    fn a_silent_or_draining_peer_gets_no_requests_until_it_answers_again() {
        let company = company("i-1");
        let function = served_there(&company);
        company.silent("i-2");
        assert_eq!(home(&company, "i-1", &function), "i-1");
        company.heard(address(), said("i-2", &[&function]));
        assert_eq!(home(&company, "i-1", &function), "i-2");
        let closing = PeerStatus {
            open: false,
            ..said("i-2", &[&function])
        };
        company.heard(address(), closing);
        assert_eq!(home(&company, "i-1", &function), "i-1");
    }

    #[test]
    fn a_peer_without_the_function_gets_none_of_its_requests() {
        let company = company("i-1");
        let function = served_there(&company);
        company.heard(address(), said("i-2", &["other"]));
        assert_eq!(home(&company, "i-1", &function), "i-1");
        let other = company.node("i-2");
        assert_eq!(company.table.load(other), 0, "nothing is counted there");
    }

    #[test]
    fn a_draining_node_forwards_its_requests_to_its_peers() {
        let company = company("i-1");
        company.heard(address(), said("i-2", &["bid", "mail"]));
        company.close();
        for function in ["bid", "mail"] {
            assert_eq!(home(&company, "i-1", function), "i-2");
        }
        company.silent("i-2");
        assert_eq!(home(&company, "i-1", "bid"), "i-1", "there is nobody else");
    }
}
