//! All nodes, by number: looked up several times an event.

use fnlocal_core::NodeId;

use super::host::{Host, HostStage};

/// Numbers count up from one and are never given again, so they are places.
#[derive(Debug, Default)]
pub(super) struct Hosts(Vec<Option<Box<Host>>>);

impl Hosts {
    pub(super) fn get(&self, node: &NodeId) -> Option<&Host> {
        self.0.get(node.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, node: &NodeId) -> Option<&mut Host> {
        self.0.get_mut(node.0 as usize)?.as_deref_mut()
    }

    pub(super) fn insert(&mut self, node: NodeId, host: Host) {
        let at = node.0 as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        self.0[at] = Some(Box::new(host));
    }

    pub(super) fn remove(&mut self, node: &NodeId) -> Option<Box<Host>> {
        self.0.get_mut(node.0 as usize)?.take()
    }

    /// Those that serve, in their order.
    pub(super) fn up(&self) -> impl Iterator<Item = NodeId> {
        let places = self.0.iter().enumerate();
        places.filter_map(|(at, host)| {
            let up = host
                .as_ref()
                .is_some_and(|host| host.stage == HostStage::Up);
            up.then(|| NodeId(u32::try_from(at).unwrap_or(u32::MAX)))
        })
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Host> {
        self.0.iter().flatten().map(AsRef::as_ref)
    }
}
