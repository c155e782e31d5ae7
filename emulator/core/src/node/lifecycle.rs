//! Events of instances: booted, ready, paused, resumed, failed, gone.

use super::Node;
use super::serve::ReadiedBy;
use fnlocal_api::RefuseReason;

use crate::effect::{Effect, StopReason};
use crate::ids::{FunctionId, InstanceId, PackageId};
use crate::package::{MAX_CONSECUTIVE_FAILURES, Prime, start_backoff};
use crate::pool::slot::{InstanceRole, Intent, Power};
use crate::time::Duration;
use crate::timers::TimerKind;

/// After a failed import the next is tried no sooner: code that cannot be imported now cannot be
/// in a millisecond either.
const IMPORT_HOLD: Duration = Duration::from_secs(1);

impl Node {
    pub(super) fn booted(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let InstanceRole::Starting(intent) = instance.role else {
            return;
        };
        let (refill, owner, boot) = (
            instance.refill,
            instance.package,
            self.now.since(instance.asked_at),
        );
        self.end_start(refill);
        self.leave_intent(id);
        self.dirty = true;
        let now = self.now;
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.role = InstanceRole::Spare;
            (instance.booted_at, instance.last_used, instance.awake_since) = (now, now, now);
        }
        if let Some(package) = self.packages.get_mut(&owner)
            && intent != Intent::Orphan
        {
            package.boot.add(boot);
            package.failures = 0;
            self.timers
                .clear(&mut package.retry_at, TimerKind::Backoff(owner));
            package.spares.push(id);
        }
        self.arm_idle(id);
        match intent {
            Intent::Orphan => self.stop(id, StopReason::Removed),
            Intent::Prime => self.prime_with(owner, id),
            Intent::Next(function) => self.prepare_with(function, id),
            Intent::Demand(function) => self.start_arrived(function, id),
            Intent::Keep(_) | Intent::Spare => {}
        }
    }

    /// An instance started for a function's waiters is given to it first, even if they have been
    /// served meanwhile and the package has spares enough.
    fn start_arrived(&mut self, function: FunctionId, id: InstanceId) {
        self.use_present(function);
        let Some(pool) = self.pools.get(&function) else {
            return;
        };
        let Some(spare) = self
            .instances
            .get(&id)
            .filter(|spare| spare.role == InstanceRole::Spare)
        else {
            return;
        };
        let unloaded = self.unloaded_spares(pool.package);
        let useful = !pool.broken && pool.below_max() && pool.held_until <= self.now;
        let fits = spare.memory_mib == pool.limits.memory_mib;
        if useful && fits && !self.draining && unloaded > self.limits.spares as usize {
            self.assign(id, function, pool.code);
        }
    }

    pub(super) fn start_failed(&mut self, id: InstanceId) {
        self.start_ended(id, Self::gone);
    }

    /// Gives up a start that was never answered. Something of it may be there, so it is stopped.
    pub(super) fn start_overdue(&mut self, id: InstanceId) {
        self.start_ended(id, |node, id| {
            node.begin_stop(id, StopReason::Unanswered, Duration::ZERO);
        });
    }

    /// Takes in that a start came to nothing; `end` takes the instance out of the starting ones.
    fn start_ended(&mut self, id: InstanceId, end: impl FnOnce(&mut Self, InstanceId)) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let InstanceRole::Starting(intent) = instance.role else {
            return;
        };
        let (refill, owner, asked_at) = (instance.refill, instance.package, instance.asked_at);
        self.end_start(refill);
        self.leave_intent(id);
        end(self, id);
        let now = self.now;
        if let Some(package) = self.packages.get_mut(&owner) {
            let at = package.start_failed(asked_at, now);
            self.timers
                .set(&mut package.retry_at, TimerKind::Backoff(owner), at);
            if package.failures >= MAX_CONSECUTIVE_FAILURES {
                self.give_up(owner, at.since(now));
            }
        }
        if let Intent::Next(function) = intent {
            self.switch(function);
        }
    }

    /// Refuses what waits for instances of a package that cannot be started. Functions that have
    /// instances keep their waiters: those will be served.
    fn give_up(&mut self, package: PackageId, wait: Duration) {
        let functions = self
            .packages
            .get(&package)
            .map(|package| package.functions.clone());
        for function in functions.unwrap_or_default() {
            if self
                .pools
                .get(&function)
                .is_some_and(|pool| pool.members.is_empty())
            {
                self.refuse_waiting(function, RefuseReason::StartFailed, Some(wait));
            }
        }
    }

    pub(super) fn assigned(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if instance.role != InstanceRole::Assigning || instance.power != Power::Running {
            return;
        }
        let Some((function, _)) = instance.bound else {
            return;
        };
        if let Some(package) = self.packages.get_mut(&instance.package) {
            package.assign.add(self.now.since(instance.asked_at));
            package.deaths = 0;
        }
        let Some(pool) = self.pools.get(&function) else {
            return;
        };
        if pool.next.is_some_and(|next| next.instance == Some(id)) {
            self.switch(function);
        }
        let now = self.now;
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.role = InstanceRole::Serving;
            (instance.last_used, instance.awake_since) = (now, now);
        }
        if let Some(pool) = self.pools.get_mut(&function) {
            pool.assigning -= 1;
            pool.import_failed = false;
            pool.held_until = now;
        }
        self.dirty = true;
        self.fill(id, function, Some(ReadiedBy::Assigned));
    }

    pub(super) fn assign_failed(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        if instance.role != InstanceRole::Assigning {
            return;
        }
        let Some((function, _)) = instance.bound else {
            return;
        };
        self.lost_in_preparation(function, id);
        self.stop(id, StopReason::Broken);
        self.dirty = true;
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        pool.instance_failed(IMPORT_HOLD, true, self.now);
        if pool.members.is_empty() {
            self.refuse_waiting(function, RefuseReason::BrokenCode, None);
        }
    }

    /// If this instance was to bring a function's new code, the function switches to that code
    /// anyway: its error is more use to the person than the stale answer.
    pub(super) fn lost_in_preparation(&mut self, function: FunctionId, id: InstanceId) {
        let next = self.pools.get(&function).and_then(|pool| pool.next);
        if next.is_some_and(|next| next.instance == Some(id)) {
            self.switch(function);
        }
    }

    pub(super) fn paused(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let Power::Pausing { wake } = instance.power else {
            return;
        };
        if instance.role == InstanceRole::Stopping {
            return;
        }
        instance.power = Power::Paused;
        if wake {
            self.power_up(id);
        } else {
            self.arm_idle(id);
        }
    }

    pub(super) fn resumed(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if instance.power != Power::Resuming {
            return;
        }
        instance.power = Power::Running;
        instance.awake_since = self.now;
        let bound = instance.bound;
        match instance.role {
            InstanceRole::Assigning => self.send_assign(id),
            InstanceRole::Priming(code) => {
                instance.asked_at = self.now;
                self.out.push(Effect::Prime { instance: id, code });
            }
            InstanceRole::Serving => {
                let Some((function, _)) = bound else { return };
                if let Some(pool) = self.pools.get_mut(&function) {
                    pool.waking -= 1;
                }
                self.fill(id, function, Some(ReadiedBy::Resumed));
                self.dirty = true;
            }
            InstanceRole::Spare | InstanceRole::Starting(_) | InstanceRole::Stopping => {}
        }
    }

    pub(super) fn stopped(&mut self, id: InstanceId) {
        let stopping =
            |instance: &crate::pool::slot::PoolInstance| instance.role == InstanceRole::Stopping;
        if self.instances.get(&id).is_some_and(stopping) {
            self.gone(id);
        }
    }

    pub(super) fn died(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let (role, owner, bound) = (instance.role, instance.package, instance.bound);
        let unused = !instance.served && instance.running.is_empty();
        if let InstanceRole::Starting(_) = role {
            return self.start_failed(id);
        }
        if let (InstanceRole::Assigning, Some((function, _))) = (role, bound) {
            self.lost_in_preparation(function, id);
        }
        self.gone(id);
        let pool = bound.and_then(|(function, _)| self.pools.get_mut(&function));
        match (role, pool) {
            (InstanceRole::Spare, _) => {
                if let Some(package) = self.packages.get_mut(&owner) {
                    package.spare_died(self.now);
                }
            }
            (InstanceRole::Assigning, Some(pool)) => {
                pool.instance_failed(start_backoff(pool.deaths + 1), false, self.now);
                if let Some((function, _)) = bound {
                    self.give_up_imports(function);
                }
            }
            // One that dies of its request is no reason not to start another for the next.
            (InstanceRole::Serving, Some(pool)) if unused => pool.kept_died(self.now),
            _ => {}
        }
    }

    /// Refuses what waits for a function whose instances keep dying while they import it.
    pub(super) fn give_up_imports(&mut self, function: FunctionId) {
        let Some(pool) = self.pools.get(&function) else {
            return;
        };
        if pool.hopeless(self.now) && pool.members.is_empty() {
            let wait = pool.held_until.since(self.now);
            self.refuse_waiting(function, RefuseReason::StartFailed, Some(wait));
        }
    }

    /// Has a spare import the package's wanted code.
    pub(super) fn prime_with(&mut self, owner: PackageId, id: InstanceId) {
        let Some(package) = self.packages.get_mut(&owner) else {
            return;
        };
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if package.prime != Some(Prime::Wanted) || self.draining {
            return;
        }
        crate::pool::remove(&mut package.spares, id);
        package.prime = Some(Prime::Running(id));
        let code = package.wanted;
        instance.role = InstanceRole::Priming(code);
        instance.asked_at = self.now;
        if self.power_up(id) {
            self.out.push(Effect::Prime { instance: id, code });
        }
    }
}
