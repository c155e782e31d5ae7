//! The counts of nodes that are gone: a sum over a fleet must not fall when it shrinks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use fnlocal_core::NodeId;

use fnlocal_driver::Counts;

/// The counts of all nodes that began.
#[derive(Default)]
pub(super) struct RetiredCounts {
    /// Of nodes that count no more.
    over: Counts,
    /// Of nodes whose lives are not over. One that was killed goes on counting for a moment: its
    /// requests are cut off.
    living: RefCell<BTreeMap<NodeId, Rc<Counts>>>,
}

impl RetiredCounts {
    /// A node begins to count.
    pub fn begin(&self, node: NodeId, counts: &Rc<Counts>) {
        self.living.borrow_mut().insert(node, Rc::clone(counts));
    }

    /// Notes that the node counts no more.
    pub fn end(&self, node: NodeId) {
        if let Some(counts) = self.living.borrow_mut().remove(&node) {
            self.over.add_all(&counts);
        }
    }

    /// Returns the counts of all nodes that are not `shown` by themselves.
    pub fn besides(&self, shown: impl Fn(NodeId) -> bool) -> Counts {
        let counts = Counts::default();
        counts.add_all(&self.over);
        for (node, living) in &*self.living.borrow() {
            if !shown(*node) {
                counts.add_all(living);
            }
        }
        counts
    }
}
