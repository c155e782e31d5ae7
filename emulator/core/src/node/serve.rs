//! Finding instances for the requests of one function that wait.
//!
//! The policy in its order: an idle instance, a paused one, a spare, a new one if waiting for a
//! busy instance is expected to take longer. Among instances with room the most recently used is
//! taken, with `concurrency` above one too: its code and data are warmest, and the rarely used
//! ones get idle enough to be paused.

use super::Node;
use super::capacity::CapacityFit;
use fnlocal_api::StartKind;

use crate::effect::Effect;
use crate::ids::{CodeHash, FunctionId, InstanceId, PackageId};
use crate::limits::Excess;
use crate::pool::slot::{InstanceRole, Intent, Power};
use crate::time::Duration;
use crate::timers::TimerKind;

/// How an instance got ready for what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadiedBy {
    Assigned,
    Resumed,
}

impl Node {
    /// Gives waiting requests to an instance that has room, then lists it as having room.
    pub(super) fn fill(&mut self, id: InstanceId, function: FunctionId, ready: Option<ReadiedBy>) {
        loop {
            let (Some(instance), Some(pool)) =
                (self.instances.get(&id), self.pools.get_mut(&function))
            else {
                return;
            };
            if instance.running.len() >= instance.slots {
                return;
            }
            let Some(request) = pool.queue.pop_front() else {
                break;
            };
            if pool.queue.is_empty() {
                self.functions_waiting.remove(&function);
            }
            let waited_for_boot = self
                .requests
                .get(&request)
                .is_some_and(|entry| instance.booted_at >= entry.since);
            let start = match ready {
                None => StartKind::Queued,
                Some(ReadiedBy::Resumed) => StartKind::Warm,
                Some(ReadiedBy::Assigned) if waited_for_boot => StartKind::Cold,
                Some(ReadiedBy::Assigned) => StartKind::Spare,
            };
            self.dispatch(request, id, start);
        }
        if let Some(pool) = self.pools.get_mut(&function) {
            pool.push_free(id);
        }
        self.arm_idle(id);
    }

    /// Finds instances for what waits, or sees to it that there will be some.
    pub(super) fn serve(&mut self, function: FunctionId) {
        self.use_present(function);
        while self
            .pools
            .get(&function)
            .is_some_and(|pool| pool.uncovered() > 0)
        {
            if !self.start_for(function) {
                break;
            }
        }
    }

    /// Finds instances for what waits among those that are booted.
    pub(super) fn use_present(&mut self, function: FunctionId) {
        self.use_free(function);
        while self
            .pools
            .get(&function)
            .is_some_and(|pool| pool.unserved() > 0)
        {
            if !self.wake(function) && !self.use_spare(function) {
                break;
            }
        }
    }

    /// Only a request put back after its instance failed can find one with room here.
    fn use_free(&mut self, function: FunctionId) {
        while let Some(pool) = self.pools.get_mut(&function) {
            let Some(&id) = pool.free.last() else { return };
            let Some(request) = pool.queue.pop_front() else {
                return;
            };
            if pool.queue.is_empty() {
                self.functions_waiting.remove(&function);
            }
            self.dispatch(request, id, StartKind::Warm);
        }
    }

    /// Resumes the most recently used paused instance, if there is one.
    pub(super) fn wake(&mut self, function: FunctionId) -> bool {
        let Some(pool) = self.pools.get_mut(&function) else {
            return false;
        };
        let Some(id) = pool.paused.pop() else {
            return false;
        };
        pool.waking += 1;
        self.power_up(id);
        true
    }

    /// Sees to it that an instance gets the processor; true if it has it already.
    pub(super) fn power_up(&mut self, id: InstanceId) -> bool {
        let Some(instance) = self.instances.get_mut(&id) else {
            return false;
        };
        self.timers.clear(&mut instance.timer, TimerKind::Idle(id));
        match instance.power {
            Power::Running => return true,
            Power::Resuming => {}
            Power::Pausing { .. } => instance.power = Power::Pausing { wake: true },
            Power::Paused => {
                instance.power = Power::Resuming;
                self.out.push(Effect::Resume { instance: id });
            }
        }
        false
    }

    /// Gives a spare to a function with waiters. If all are covered by starts under way, one of
    /// those starts becomes the spare's replacement: an import is far quicker than a boot.
    fn use_spare(&mut self, function: FunctionId) -> bool {
        let Some(pool) = self.pools.get(&function) else {
            return false;
        };
        if !(pool.below_max() || pool.starting > 0) {
            return false;
        }
        if pool.held_until > self.now {
            // A start under way may cover the waiters, and take longer than the hold.
            self.look_again(function, pool.held_until);
            return false;
        }
        let (code, memory, surplus) = (pool.code, pool.limits.memory_mib, pool.uncovered() == 0);
        let must_swap = surplus || !pool.below_max();
        let Some(spare) = self.find_spare(pool.package, memory, code) else {
            return false;
        };
        if must_swap {
            self.start_becomes_spare(function);
        }
        self.assign(spare, function, code);
        true
    }

    /// Turns the youngest start for a function into one for the package.
    pub(super) fn start_becomes_spare(&mut self, function: FunctionId) -> bool {
        let intended = InstanceRole::Starting(Intent::Demand(function));
        let kept = InstanceRole::Starting(Intent::Keep(function));
        let found = self
            .instances
            .iter()
            .rev()
            .find(|(_, other)| other.role == intended || other.role == kept)
            .map(|(&id, _)| id);
        let Some(id) = found else { return false };
        self.change_intent(id, Intent::Spare);
        true
    }

    /// The best spare for some code: one that is not paused (resuming through an engine costs more
    /// than an import), one that has imported it, the most recently used.
    pub(crate) fn find_spare(
        &self,
        package: PackageId,
        memory_mib: u32,
        code: CodeHash,
    ) -> Option<InstanceId> {
        let spares = self.packages.get(&package)?.spares.iter().enumerate();
        let fitting = spares.filter_map(|(at, &id)| {
            let spare = self.instances.get(&id)?;
            let fits = spare.memory_mib == memory_mib
                && (spare.loaded.is_none() || spare.loaded == Some(code));
            fits.then_some((
                spare.power == Power::Running,
                spare.loaded.is_some(),
                at,
                id,
            ))
        });
        fitting.max().map(|(.., id)| id)
    }

    /// Binds a spare to a function in its present code, or in the code being prepared.
    pub(super) fn assign(&mut self, id: InstanceId, function: FunctionId, code: CodeHash) {
        let (Some(pool), Some(instance)) =
            (self.pools.get_mut(&function), self.instances.get_mut(&id))
        else {
            return;
        };
        debug_assert!(instance.bound.is_none(), "{id} is bound already");
        instance.bound = Some((function, code));
        instance.slots = pool.slots();
        instance.role = InstanceRole::Assigning;
        if let Some(package) = self.packages.get_mut(&instance.package) {
            crate::pool::remove(&mut package.spares, id);
            package.last_started = Some(function);
        }
        match &mut pool.next {
            Some(next) if next.code == code => next.instance = Some(id),
            _ => {
                pool.members.insert(id);
                pool.assigning += 1;
            }
        }
        self.dirty = true;
        if self.power_up(id) {
            self.send_assign(id);
        }
    }

    pub(super) fn send_assign(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let Some((function, code)) = instance.bound else {
            return;
        };
        instance.asked_at = self.now;
        self.out.push(Effect::Assign {
            instance: id,
            function,
            code,
        });
    }

    /// Starts an instance for waiters nothing under way will serve, if that is worth it and
    /// allowed.
    fn start_for(&mut self, function: FunctionId) -> bool {
        let Some(pool) = self.pools.get(&function) else {
            return false;
        };
        if !pool.below_max() {
            return false;
        }
        if pool.held_until > self.now {
            self.look_again(function, pool.held_until);
            return false;
        }
        let Some(package) = self.packages.get(&pool.package) else {
            return false;
        };
        if package.held(self.now) {
            return false;
        }
        let estimate = package.start_micros();
        let (package, memory) = (pool.package, pool.limits.memory_mib);
        // Without busy instances, or knowledge of how long they take, there is nothing to wait for.
        // Where nobody may wait there is nothing to be patient for.
        let may_wait = pool.limits.excess == Excess::Unavailable || pool.limits.queue > 0;
        let wait = pool.expected_wait(pool.uncovered());
        let patient = may_wait && wait.is_some_and(|wait| wait <= estimate);
        if patient && !self.waited_longer_than(function, Duration::from_micros(estimate)) {
            return false;
        }
        if let Some(at) = self.start_allowed_at(function) {
            self.look_again(function, at);
            return false;
        }
        if self.demand_starts >= self.limits.parallel_starts.max(1) as usize {
            self.demand_blocked = true;
            return false;
        }
        match self.make_room(memory) {
            CapacityFit::Now => {}
            CapacityFit::Soon => {
                self.demand_blocked = true;
                return false;
            }
            CapacityFit::None => {
                self.demand_blocked = true;
                self.demand_unmet = true;
                return false;
            }
        }
        if let Some(pool) = self.pools.get_mut(&function) {
            if patient {
                pool.patience_from = self.now;
            }
            if let Some(starts) = &mut pool.starts {
                starts.take();
            }
        }
        self.start(package, memory, Intent::Demand(function));
        true
    }

    /// When `start_rate` allows another start, if it does not now.
    fn start_allowed_at(&mut self, function: FunctionId) -> Option<crate::time::Instant> {
        let starts = self.pools.get_mut(&function)?.starts.as_mut()?;
        let wait = starts.wait(self.now);
        (!wait.is_zero()).then(|| self.now + wait)
    }

    /// Busy instances should have served the oldest waiter sooner than a new one could, but have
    /// not. If not yet, looks again when they should have.
    fn waited_longer_than(&mut self, function: FunctionId, estimate: Duration) -> bool {
        let Some(pool) = self.pools.get(&function) else {
            return false;
        };
        let oldest = pool
            .queue
            .front()
            .and_then(|request| self.requests.get(&request));
        let Some(since) = oldest.map(|entry| entry.since.max(pool.patience_from)) else {
            return false;
        };
        let turns = since + estimate;
        if turns <= self.now {
            return true;
        }
        self.look_again(function, turns);
        false
    }

    pub(super) fn look_again(&mut self, function: FunctionId, at: crate::time::Instant) {
        if let Some(pool) = self.pools.get_mut(&function) {
            self.timers
                .set_earlier(&mut pool.demand_timer, TimerKind::Demand(function), at);
        }
    }
}
