//! Code comes, is imported, takes over, goes.

use super::Node;
use fnlocal_api::RefuseReason;

use crate::effect::{Effect, StopReason};
use crate::event::FunctionSpec;
use crate::ids::{CodeHash, FunctionId, InstanceId, PackageId};
use crate::limits::{FunctionLimits, NodeLimits};
use crate::package::{NodePackage, Prime};
use crate::pool::slot::{InstanceRole, Intent};
use crate::pool::{Next, Pool};
use crate::rate::TokenBucket;
use crate::time::Duration;
use crate::timers::TimerKind;

/// New code that has not been imported for a function after this long takes over all the same.
/// Reached only when there is no room, or an import hangs.
const PREPARE: Duration = Duration::from_secs(5);

impl Node {
    pub(super) fn code_changed(&mut self, id: PackageId, code: CodeHash) {
        if self.draining {
            return;
        }
        self.dirty = true;
        let Some(package) = self.packages.get_mut(&id) else {
            self.packages.insert(id, NodePackage::new(code));
            return;
        };
        package.wanted = code;
        match package.prime {
            None => package.prime = Some(Prime::Wanted),
            Some(Prime::Wanted | Prime::Starting(_)) => {}
            Some(Prime::Running(instance)) => {
                let role = self.instances.get(&instance).map(|instance| instance.role);
                if role != Some(InstanceRole::Priming(code)) {
                    self.stop(instance, StopReason::OldCode);
                    if let Some(package) = self.packages.get_mut(&id) {
                        package.prime = Some(Prime::Wanted);
                    }
                }
            }
        }
    }

    /// Stops what was booted from an image, or with variables, that no longer count. Instances
    /// that serve go on until the new code takes over.
    pub(super) fn stop_unbound(&mut self, package: PackageId) {
        let unbound: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.package == package && instance.bound.is_none())
            .map(|(&id, _)| id)
            .collect();
        for instance in unbound {
            self.stop(instance, StopReason::OldCode);
        }
        if let Some(package) = self.packages.get_mut(&package) {
            package.prime = Some(Prime::Wanted);
        }
    }

    pub(super) fn primed(&mut self, id: InstanceId, code: CodeHash, specs: Vec<FunctionSpec>) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if !matches!(instance.role, InstanceRole::Priming(_)) {
            return;
        }
        let owner = instance.package;
        self.dirty = true;
        let Some(package) = self.packages.get_mut(&owner) else {
            return;
        };
        if instance.role != InstanceRole::Priming(code) || package.wanted != code {
            return self.stop(id, StopReason::OldCode);
        }
        package.prime = None;
        package.code = Some(code);
        package.deaths = 0;
        package.spares.push(id);
        instance.role = InstanceRole::Spare;
        instance.loaded = Some(code);
        instance.last_used = self.now;
        let spares = package.spares.clone();
        let known = package.functions.clone();
        for function in known {
            if !specs.iter().any(|spec| spec.function == function) {
                self.remove_function(function);
            }
        }
        for spare in spares {
            let loaded = self.instances.get(&spare).and_then(|spare| spare.loaded);
            if loaded.is_some_and(|loaded| loaded != code) {
                self.stop(spare, StopReason::OldCode);
            }
        }
        let useless = specs.iter().all(|spec| spec.broken);
        for spec in specs {
            self.describe(owner, code, spec);
        }
        if useless {
            return self.stop(id, StopReason::Broken);
        }
        self.arm_idle(id);
        if let Some(&function) = self.by_recency().iter().find(|function| {
            self.pools.get(function).is_some_and(|pool| {
                pool.package == owner && pool.next.is_some_and(|next| next.instance.is_none())
            })
        }) {
            self.prepare_with(function, id);
        }
    }

    /// Functions with code in preparation, the most recently used first.
    pub(super) fn by_recency(&self) -> Vec<FunctionId> {
        let mut order: Vec<FunctionId> = self.preparing.iter().copied().collect();
        let used = |id: &FunctionId| self.pools.get(id).and_then(|pool| pool.last_used);
        order.sort_by(|a, b| used(b).cmp(&used(a)).then(a.cmp(b)));
        order
    }

    /// Takes in what new code says of one function.
    fn describe(&mut self, owner: PackageId, code: CodeHash, spec: FunctionSpec) {
        let FunctionSpec {
            function,
            limits,
            broken,
        } = spec;
        let now = self.now;
        if self
            .pools
            .get(&function)
            .is_some_and(|pool| pool.package != owner)
        {
            return;
        }
        if let Some(package) = self.packages.get_mut(&owner) {
            package.functions.insert(function);
        }
        let mut fresh = false;
        let pool = self.pools.entry(function).or_insert_with(|| {
            fresh = true;
            Box::new(Pool::new(owner, limits.clone(), code, now))
        });
        let old = pool.set_limits(limits, now);
        if pool.least() > 0 {
            self.kept.insert(function);
        } else {
            self.kept.remove(&function);
        }
        let mended = pool.broken && !broken;
        pool.broken = broken;
        pool.deaths = 0;
        pool.refill_at = now;
        (pool.held_until, pool.import_failed) = (now, false);
        if broken {
            pool.code = code;
            self.end_preparation(function);
            self.replace_members(function);
            self.refuse_waiting(function, RefuseReason::BrokenCode, None);
        } else if pool.code == code {
            if fresh || mended {
                self.out.push(Effect::Switched { function, code });
            }
            self.end_preparation(function);
        } else if pool.next.is_some_and(|next| next.code == code) && old == pool.limits {
            // The code is being prepared already.
        } else if pool.recently_used(now) && !pool.members.is_empty() {
            self.prepare(function, code);
        } else {
            self.prepare(function, code);
            self.switch(function);
        }
        self.apply_limits(function, &old);
    }

    /// Sees to what a pool has beyond its new limits.
    fn apply_limits(&mut self, function: FunctionId, old: &FunctionLimits) {
        let Some(pool) = self.pools.get(&function) else {
            return;
        };
        let (slots, memory) = (pool.slots(), pool.limits.memory_mib);
        let replaced_soon = pool.next.is_some();
        let members: Vec<InstanceId> = pool.members.iter().copied().collect();
        if old == &pool.limits {
            return;
        }
        for id in members {
            let Some(instance) = self.instances.get(&id) else {
                continue;
            };
            if !replaced_soon && (instance.slots != slots || instance.memory_mib != memory) {
                self.retire(id, StopReason::OldCode);
            } else {
                self.arm_idle(id);
            }
        }
        if old.memory_mib != memory {
            self.unintend(function);
        }
        while let Some(pool) = self.pools.get(&function) {
            let max = pool.limits.max_instances as usize;
            if pool.live() <= max {
                break;
            }
            if pool.members.is_empty() {
                self.unintend(function);
                break;
            }
            let busy = pool.members.first().copied();
            let Some(id) = pool
                .paused
                .first()
                .copied()
                .or(pool.free.first().copied())
                .or(busy)
            else {
                break;
            };
            self.retire(id, StopReason::Idle);
        }
        while self.too_many_wait(function) {
            self.shed_newest(function);
        }
    }

    /// Begins to prepare new code for a function that is in use.
    fn prepare(&mut self, function: FunctionId, code: CodeHash) {
        self.end_preparation(function);
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        pool.next = Some(Next {
            code,
            instance: None,
            starting: None,
        });
        self.preparing.insert(function);
        let at = self.now + PREPARE;
        self.timers
            .set(&mut pool.switch_timer, TimerKind::Switch(function), at);
    }

    /// Gives up preparing what even newer code has overtaken. A start for it goes on as a spare.
    fn end_preparation(&mut self, function: FunctionId) {
        self.preparing.remove(&function);
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        self.timers
            .clear(&mut pool.switch_timer, TimerKind::Switch(function));
        let Some(next) = pool.next else { return };
        if let Some(id) = next.starting {
            self.change_intent(id, Intent::Spare);
        }
        if let Some(id) = next.instance {
            self.stop(id, StopReason::OldCode);
        }
        if let Some(pool) = self.pools.get_mut(&function) {
            pool.next = None;
        }
    }

    /// Gives an instance to a function whose new code is being prepared, if both still fit.
    pub(super) fn prepare_with(&mut self, function: FunctionId, id: InstanceId) {
        let Some(pool) = self.pools.get(&function) else {
            return;
        };
        let Some(next) = pool.next.filter(|next| next.instance.is_none()) else {
            return;
        };
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let fits = instance.role == InstanceRole::Spare
            && instance.memory_mib == pool.limits.memory_mib
            && instance.loaded.is_none_or(|loaded| loaded == next.code);
        if fits {
            self.assign(id, function, next.code);
        }
    }

    /// The prepared code takes over, ready or not.
    pub(super) fn switch(&mut self, function: FunctionId) {
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        let Some(next) = pool.next.take() else { return };
        self.preparing.remove(&function);
        self.timers
            .clear(&mut pool.switch_timer, TimerKind::Switch(function));
        pool.code = next.code;
        self.out.push(Effect::Switched {
            function,
            code: next.code,
        });
        self.replace_members(function);
        self.dirty = true;
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        if let Some(id) = next.instance {
            pool.members.insert(id);
            pool.assigning += 1;
        }
        if let Some(id) = next.starting
            && let Some(instance) = self.instances.get_mut(&id)
            && instance.role == InstanceRole::Starting(Intent::Next(function))
        {
            instance.role = InstanceRole::Starting(Intent::Demand(function));
            pool.starting += 1;
        }
        while self
            .pools
            .get(&function)
            .is_some_and(|pool| pool.over_max())
        {
            if !self.start_becomes_spare(function) {
                break;
            }
        }
    }

    /// Retires all members, which run code that is not served any more.
    fn replace_members(&mut self, function: FunctionId) {
        let members = self.pools.get(&function).map(|pool| pool.members.clone());
        for id in members.unwrap_or_default() {
            self.retire(id, StopReason::OldCode);
        }
    }

    fn remove_function(&mut self, function: FunctionId) {
        self.refuse_waiting(function, RefuseReason::UnknownFunction, None);
        self.refuse_held(function);
        self.end_preparation(function);
        self.unintend(function);
        let Some(pool) = self.pools.get(&function) else {
            return;
        };
        if let Some(package) = self.packages.get_mut(&pool.package) {
            package.functions.remove(&function);
            package.last_started = package.last_started.filter(|&last| last != function);
        }
        for id in pool.members.clone() {
            self.retire(id, StopReason::Removed);
        }
        self.kept.remove(&function);
        if let Some(mut pool) = self.pools.remove(&function) {
            self.timers
                .clear(&mut pool.demand_timer, TimerKind::Demand(function));
        }
        self.dirty = true;
    }

    pub(super) fn package_removed(&mut self, id: PackageId) {
        let Some(package) = self.packages.get(&id) else {
            return;
        };
        for function in package.functions.clone() {
            self.remove_function(function);
        }
        let rest: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.package == id && instance.retired.is_none())
            .map(|(&id, _)| id)
            .collect();
        for instance in rest {
            self.stop(instance, StopReason::Removed);
        }
        if let Some(mut package) = self.packages.remove(&id) {
            self.timers
                .clear(&mut package.retry_at, TimerKind::Backoff(id));
        }
        self.dirty = true;
    }

    pub(super) fn limits_changed(&mut self, limits: NodeLimits) {
        TokenBucket::update(&mut self.bucket, super::request_rate(&limits), self.now);
        self.limits = limits;
        self.over = true;
        self.dirty = true;
    }
}
