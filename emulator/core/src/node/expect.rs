//! Instances made ready for requests that are about to come from elsewhere.

use super::Node;
use crate::ids::{FunctionId, InstanceId};

impl Node {
    /// Keeps `instances` instances of a function ready until the next call.
    pub(super) fn expect(&mut self, function: FunctionId, instances: u32) {
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        pool.expected = instances;
        if pool.least() > 0 {
            self.kept.insert(function);
        } else {
            self.kept.remove(&function);
        }
        let members: Vec<InstanceId> = pool.members.iter().copied().collect();
        for id in members {
            // Those that were kept without a deadline have one again.
            self.arm_idle(id);
        }
        self.dirty = true;
    }
}
