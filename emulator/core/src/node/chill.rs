//! Cold starts on request, so that they can be measured.

use super::Node;
use crate::effect::StopReason;
use crate::ids::{FunctionId, InstanceId};
use crate::pool::slot::{InstanceRole, Intent, PoolInstance};
use crate::time::Duration;

/// Time in which whoever asked can send the requests that are to start cold: instances need some
/// of it to end, and the request comes after that.
const CALM: Duration = Duration::from_secs(10);

impl Node {
    /// Stops what the function's next request could be given. Busy instances and importing ones
    /// stay: requests wait for them.
    pub(super) fn chill(&mut self, function: FunctionId) {
        let until = self.now + CALM;
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        pool.refill_at = until;
        let owner = pool.package;
        if let Some(package) = self.packages.get_mut(&owner) {
            package.refill_at = until;
        }
        let useful = |instance: &PoolInstance| match instance.role {
            InstanceRole::Spare => instance.package == owner,
            InstanceRole::Starting(Intent::Spare) => instance.package == owner,
            InstanceRole::Starting(Intent::Keep(other)) => other == function,
            InstanceRole::Serving => {
                instance.running.is_empty()
                    && instance.bound.is_some_and(|(bound, _)| bound == function)
            }
            _ => false,
        };
        let victims: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|(_, instance)| useful(instance))
            .map(|(&id, _)| id)
            .collect();
        for id in victims {
            self.stop(id, StopReason::Idle);
        }
        self.dirty = true;
    }
}
