//! Conditions that hold for each function's pool.

use std::collections::BTreeSet;

use super::{InvariantResult, Violation};
use crate::ids::{FunctionId, InstanceId};
use crate::node::Node;
use crate::pool::Pool;
use crate::pool::slot::{InstanceRole, Intent, Power, RequestStage};

impl Node {
    /// The lists and counts of a pool say what its instances say.
    pub(super) fn check_lists(&self, id: FunctionId, pool: &Pool) -> InvariantResult {
        let mut free = BTreeSet::new();
        let mut paused = BTreeSet::new();
        let (mut waking, mut assigning) = (0, 0);
        for &member in &pool.members {
            let Some(instance) = self.instances.get(&member) else {
                holds!("members live", false, "{member} of {id}");
                continue;
            };
            holds!(
                "members run the pool's code",
                instance.bound == Some((id, pool.code)),
                "{member} of {id} in {} is bound to {:?}",
                pool.code,
                instance.bound
            );
            match (instance.role, instance.power) {
                (InstanceRole::Assigning, _) => assigning += 1,
                (InstanceRole::Serving, Power::Running)
                    if instance.running.len() < instance.slots =>
                {
                    free.insert(member);
                }
                (InstanceRole::Serving, Power::Running) => {}
                (InstanceRole::Serving, Power::Paused | Power::Pausing { wake: false }) => {
                    paused.insert(member);
                }
                (InstanceRole::Serving, _) => waking += 1,
                (role, _) => holds!("members serve", false, "{member} of {id} is {role:?}"),
            }
        }
        let starting = self.instances.values().filter(|one| {
            let of = [Intent::Demand(id), Intent::Keep(id)];
            of.iter()
                .any(|&intent| one.role == InstanceRole::Starting(intent))
        });
        let starting = starting.count();
        let listed = |list: &[InstanceId]| list.iter().copied().collect::<BTreeSet<_>>();
        holds!(
            "a pool's lists and counts are right",
            listed(&pool.free) == free
                && pool.free.len() == free.len()
                && listed(&pool.paused) == paused
                && pool.paused.len() == paused.len()
                && (pool.waking, pool.assigning, pool.starting) == (waking, assigning, starting),
            "{id}: free {:?} {free:?}, paused {:?} {paused:?}, waking {} {waking}, assigning {} \
             {assigning}, starting {} {starting}",
            pool.free,
            pool.paused,
            pool.waking,
            pool.assigning,
            pool.starting
        );
        holds!(
            "functions with instances kept ready are listed",
            (pool.least() > 0) == self.kept.contains(&id),
            "{id}"
        );
        holds!(
            "functions in preparation are listed",
            pool.next.is_some() == self.preparing.contains(&id)
                && pool.next.is_some() == pool.switch_timer.is_some(),
            "{id}"
        );
        Ok(())
    }

    pub(super) fn check_pool_bounds(&self, id: FunctionId, pool: &Pool) -> InvariantResult {
        holds!(
            "instances are within the function's",
            pool.live() <= pool.limits.max_instances as usize,
            "{id} has {} of {}",
            pool.live(),
            pool.limits.max_instances
        );
        // Waiters an instance was under way for were admitted beyond the bound, and one that was
        // put back is there in spite of it.
        let admitted = pool.queue.iter().filter_map(|id| self.requests.get(&id));
        let admitted = admitted.filter(|entry| entry.retries == 0).count();
        let held = self
            .requests
            .values()
            .filter(|entry| entry.stage == RequestStage::Held && entry.function == id);
        let held = held.count();
        holds!(
            "requests over the rate are counted",
            pool.held == held,
            "{id}: {} and really {held}",
            pool.held
        );
        let bound = pool.limits.queue as usize + pool.limits.max_instances as usize * pool.slots();
        holds!(
            "the queue is within its bound",
            admitted <= bound,
            "{id}: {admitted} of {bound}"
        );
        for request in pool.queue.iter() {
            let entry = self.requests.get(&request);
            holds!(
                "what is queued waits",
                entry.is_some_and(|one| one.stage == RequestStage::Waiting && one.function == id),
                "{request} of {id}: {entry:?}"
            );
        }
        holds!(
            "functions with waiters are listed",
            pool.queue.is_empty() != self.functions_waiting.contains(&id),
            "{id}"
        );
        Ok(())
    }

    pub(super) fn check_waiting(&self, id: FunctionId, pool: &Pool) -> InvariantResult {
        if pool.queue.is_empty() {
            return Ok(());
        }
        holds!("a broken function has no waiters", !pool.broken, "{id}");
        holds!(
            "nothing waits while an instance has room",
            pool.free.is_empty(),
            "{id}"
        );
        // A start the rate does not allow yet has a deadline to be looked at again.
        let rationed = pool.starts.is_some() && pool.demand_timer.is_some();
        let may_start = pool.below_max() && pool.held_until <= self.now;
        let spare = self.find_spare(pool.package, pool.limits.memory_mib, pool.code);
        holds!(
            "nothing waits while a spare fits",
            spare.is_none() || pool.unserved() == 0 || !may_start,
            "{id} could use {spare:?}"
        );
        holds!(
            "nothing waits while an instance is paused",
            pool.paused.is_empty() || pool.unserved() == 0,
            "{id} could use {:?}",
            pool.paused
        );
        let held = self
            .packages
            .get(&pool.package)
            .is_none_or(|package| package.held(self.now));
        let room = self.demand_starts < self.limits.parallel_starts.max(1) as usize
            && self.fits(pool.limits.memory_mib);
        holds!(
            "nothing waits with room and nothing under way",
            pool.live() > 0 || !may_start || held || !room || rationed,
            "{id} has {} waiters",
            pool.queue.len()
        );
        Ok(())
    }
}
