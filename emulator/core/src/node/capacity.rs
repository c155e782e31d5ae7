//! Room for instances: starting, evicting, stopping, and what is left when one is gone.

use super::Node;
use crate::effect::{Effect, StopReason};
use crate::ids::{FunctionId, InstanceId, PackageId};
use crate::package::Prime;
use crate::pool::slot::{InstanceRole, Intent, PoolInstance, Power, RequestStage};
use crate::time::{Duration, Instant};
use crate::timers::TimerKind;

/// For an instance that may be in the middle of something.
const GRACE_BUSY: Duration = Duration::from_secs(5);
/// For an idle one: user code may still want to close what it opened when told SIGTERM.
const GRACE_IDLE: Duration = Duration::from_secs(2);

/// The answer to whether another instance fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CapacityFit {
    /// The instance fits.
    Now,
    /// Once instances being stopped are gone.
    Soon,
    /// Nothing more can be stopped for it.
    None,
}

/// The capacity that would be free without some instances.
#[derive(Clone, Copy, Debug, Default)]
struct Freed {
    mib: u64,
    count: usize,
}

impl Node {
    /// Asks for a new instance. The caller has seen to limits and room.
    pub(super) fn start(&mut self, package: PackageId, memory_mib: u32, intent: Intent) {
        let id = InstanceId(self.next_instance);
        self.next_instance += 1;
        let instance = PoolInstance::new(package, memory_mib, intent, self.now);
        if instance.refill {
            self.refill_starts += 1;
        } else {
            self.demand_starts += 1;
        }
        self.promised_mib += u64::from(memory_mib);
        self.instances.insert(id, instance);
        self.enter_intent(id, package, intent);
        self.out.push(Effect::Start {
            instance: id,
            package,
            memory_mib,
        });
    }

    /// A start under way is counted with what it is for.
    fn enter_intent(&mut self, id: InstanceId, package: PackageId, intent: Intent) {
        let owner = self.packages.get_mut(&package);
        match intent {
            Intent::Demand(function) | Intent::Keep(function) | Intent::Next(function) => {
                if let Some(owner) = owner {
                    owner.last_started = Some(function);
                }
                let Some(pool) = self.pools.get_mut(&function) else {
                    return;
                };
                match (intent, &mut pool.next) {
                    (Intent::Next(_), Some(next)) => next.starting = Some(id),
                    _ => pool.starting += 1,
                }
            }
            Intent::Prime => {
                if let Some(owner) = owner {
                    owner.prime = Some(Prime::Starting(id));
                }
            }
            Intent::Spare => {
                if let Some(owner) = owner {
                    owner.spare_starts += 1;
                }
            }
            Intent::Orphan => {}
        }
    }

    /// Returns whether an instance fits without stopping anything.
    pub(crate) fn fits(&self, memory_mib: u32) -> bool {
        self.fits_without(memory_mib, Freed::default())
    }

    fn fits_without(&self, memory_mib: u32, freed: Freed) -> bool {
        let promised = self.promised_mib - freed.mib + u64::from(memory_mib);
        let count = self.instances.len() - freed.count;
        promised <= u64::from(self.limits.memory_mib) && count < self.limits.max_instances as usize
    }

    /// Sees to room for an instance: stops what is least missed, if that will be enough.
    pub(super) fn make_room(&mut self, memory_mib: u32) -> CapacityFit {
        if self.fits(memory_mib) {
            return CapacityFit::Now;
        }
        let mut freed = Freed {
            mib: self.stopping_mib,
            count: self.stopping,
        };
        if self.fits_without(memory_mib, freed) {
            return CapacityFit::Soon;
        }
        let mut victims = Vec::new();
        for id in self.evictable() {
            if let Some(instance) = self.instances.get(&id) {
                freed.mib += u64::from(instance.memory_mib);
                freed.count += 1;
                victims.push(id);
            }
            if self.fits_without(memory_mib, freed) {
                for id in victims {
                    self.stop(id, StopReason::Memory);
                }
                return CapacityFit::Soon;
            }
        }
        CapacityFit::None
    }

    /// After limits were lowered: stops what nobody uses until they are kept.
    pub(super) fn shrink(&mut self) {
        let over = |node: &Self| {
            node.promised_mib - node.stopping_mib > u64::from(node.limits.memory_mib)
                || node.instances.len() - node.stopping > node.limits.max_instances as usize
        };
        if over(self) {
            for id in self.evictable() {
                self.stop(id, StopReason::Memory);
                if !over(self) {
                    break;
                }
            }
        }
        self.over = self.promised_mib > u64::from(self.limits.memory_mib)
            || self.instances.len() > self.limits.max_instances as usize;
    }

    /// Returns the instances that may be stopped for others: idle instances above their functions'
    /// `min_instances`, the least recently used first, then spares likewise.
    fn evictable(&self) -> Vec<InstanceId> {
        let mut idle: Vec<(Instant, InstanceId)> = Vec::new();
        for pool in self.pools.values() {
            let surplus = pool.live().saturating_sub(pool.least());
            let candidates = pool.paused.iter().chain(&pool.free).filter_map(|id| {
                let instance = self.instances.get(id)?;
                instance.idle().then_some((instance.last_used, *id))
            });
            idle.extend(candidates.take(surplus));
        }
        idle.sort_unstable();
        let mut spares: Vec<(Instant, InstanceId)> = self
            .packages
            .values()
            .flat_map(|package| &package.spares)
            .filter_map(|id| Some((self.instances.get(id)?.last_used, *id)))
            .collect();
        spares.sort_unstable();
        idle.into_iter().chain(spares).map(|(_, id)| id).collect()
    }

    /// Has an instance stopped, whatever it is doing. One that is still starting is stopped once
    /// it has booted: until then there may be nothing to stop.
    pub(super) fn stop(&mut self, id: InstanceId, reason: StopReason) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let grace = match reason {
            StopReason::Timeout | StopReason::Unanswered => Duration::ZERO,
            StopReason::Broken => GRACE_BUSY,
            _ if instance.running.is_empty() => GRACE_IDLE,
            _ => GRACE_BUSY,
        };
        match instance.role {
            InstanceRole::Stopping => return,
            InstanceRole::Starting(_) => {
                self.change_intent(id, Intent::Orphan);
                return;
            }
            _ => self.detach(id),
        }
        self.begin_stop(id, reason, grace);
    }

    /// Has an instance stopped that is in no list any more.
    pub(super) fn begin_stop(&mut self, id: InstanceId, reason: StopReason, grace: Duration) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        instance.role = InstanceRole::Stopping;
        self.timers.clear(&mut instance.timer, TimerKind::Idle(id));
        self.stopping += 1;
        self.stopping_mib += u64::from(instance.memory_mib);
        self.out.push(Effect::Stop {
            instance: id,
            reason,
            grace,
        });
    }

    /// Stops an instance once it has nothing to do. Until then the instance takes no more requests.
    pub(super) fn retire(&mut self, id: InstanceId, reason: StopReason) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        if instance.role == InstanceRole::Serving && !instance.running.is_empty() {
            self.detach(id);
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.retired = Some(reason);
            }
        } else {
            self.stop(id, reason);
        }
    }

    /// Takes an instance out of every list but the list of instances.
    fn detach(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        if let Some(package) = self.packages.get_mut(&instance.package) {
            match instance.role {
                InstanceRole::Spare => crate::pool::remove(&mut package.spares, id),
                InstanceRole::Priming(_) if package.prime == Some(Prime::Running(id)) => {
                    package.prime = None;
                }
                _ => {}
            }
        }
        let Some((function, _)) = instance.bound else {
            return;
        };
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        if let Some(next) = &mut pool.next
            && next.instance == Some(id)
        {
            next.instance = None;
        }
        if !pool.members.remove(&id) {
            return;
        }
        match (instance.role, instance.power) {
            (InstanceRole::Assigning, _) => pool.assigning -= 1,
            (_, Power::Running) => pool.remove_free(id),
            (_, Power::Resuming | Power::Pausing { wake: true }) => pool.waking -= 1,
            (_, Power::Paused | Power::Pausing { wake: false }) => pool.remove_paused(id),
        }
    }

    /// A start ends or changes its purpose: what waited for it no longer counts on it.
    pub(super) fn leave_intent(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let InstanceRole::Starting(intent) = instance.role else {
            return;
        };
        match intent {
            Intent::Demand(function) | Intent::Keep(function) => {
                if let Some(pool) = self.pools.get_mut(&function) {
                    pool.starting -= 1;
                }
            }
            Intent::Next(function) => {
                let next = self
                    .pools
                    .get_mut(&function)
                    .and_then(|pool| pool.next.as_mut());
                if let Some(next) = next
                    && next.starting == Some(id)
                {
                    next.starting = None;
                }
            }
            Intent::Prime => {
                if let Some(package) = self.packages.get_mut(&instance.package)
                    && package.prime == Some(Prime::Starting(id))
                {
                    package.prime = Some(Prime::Wanted);
                }
            }
            Intent::Spare => {
                if let Some(package) = self.packages.get_mut(&instance.package) {
                    package.spare_starts = package.spare_starts.saturating_sub(1);
                }
            }
            Intent::Orphan => {}
        }
    }

    /// Gives a start under way another purpose.
    pub(super) fn change_intent(&mut self, id: InstanceId, intent: Intent) {
        self.leave_intent(id);
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        instance.role = InstanceRole::Starting(intent);
        let package = instance.package;
        self.enter_intent(id, package, intent);
    }

    /// Every start for a function becomes one for its package.
    pub(super) fn unintend(&mut self, function: FunctionId) {
        let of = [
            Intent::Demand(function),
            Intent::Keep(function),
            Intent::Next(function),
        ];
        let starts: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|(_, other)| {
                of.iter()
                    .any(|&intent| other.role == InstanceRole::Starting(intent))
            })
            .map(|(&id, _)| id)
            .collect();
        for id in starts {
            self.change_intent(id, Intent::Spare);
        }
    }

    /// One start fewer is under way.
    pub(super) fn end_start(&mut self, refill: bool) {
        if refill {
            self.refill_starts -= 1;
        } else {
            self.demand_starts -= 1;
        }
    }

    /// Nothing of an instance remains. Requests that ran in it end by their own events, but those
    /// of clients who left have nothing to wait for any more.
    pub(super) fn gone(&mut self, id: InstanceId) {
        self.detach(id);
        let Some(mut instance) = self.instances.remove(&id) else {
            return;
        };
        self.timers.clear(&mut instance.timer, TimerKind::Idle(id));
        self.timers
            .clear(&mut instance.answer_timer, TimerKind::Unanswered(id));
        self.promised_mib -= u64::from(instance.memory_mib);
        if instance.role == InstanceRole::Stopping {
            self.stopping -= 1;
            self.stopping_mib -= u64::from(instance.memory_mib);
        }
        for request in instance.running {
            let stage = self.requests.get(&request).map(|entry| entry.stage);
            if let Some(RequestStage::Running { gone: true, .. }) = stage
                && let Some(mut entry) = self.requests.remove(&request)
            {
                self.timers
                    .clear(&mut entry.timer, TimerKind::Request(request));
            }
        }
        self.dirty = true;
    }
}
