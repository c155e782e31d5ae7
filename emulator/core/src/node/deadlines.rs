//! Events by the clock: requests that wait or run too long, instances idle for long.

use super::Node;
use fnlocal_api::RefuseReason;

use crate::effect::{Effect, StopReason};
use crate::ids::{InstanceId, PackageId, RequestId};
use crate::limits::{Excess, FunctionLimits};
use crate::pool::slot::{InstanceRole, Power, RequestStage};
use crate::time::Duration;
use crate::timers::TimerKind;

impl Node {
    /// Does everything that is due.
    pub(super) fn pass_deadlines(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now) {
            match timer {
                TimerKind::Request(request) => self.request_overdue(request),
                TimerKind::Idle(instance) => self.idle_overdue(instance),
                TimerKind::Demand(function) => {
                    if let Some(pool) = self.pools.get_mut(&function) {
                        pool.demand_timer = None;
                    }
                    self.serve(function);
                }
                TimerKind::Switch(function) => {
                    if let Some(pool) = self.pools.get_mut(&function) {
                        pool.switch_timer = None;
                    }
                    self.switch(function);
                }
                TimerKind::Backoff(package) => {
                    if let Some(package) = self.packages.get_mut(&package) {
                        package.retry_at = None;
                    }
                    self.dirty = true;
                }
                TimerKind::Unanswered(instance) => self.never_answered(instance),
                TimerKind::Refill => {
                    self.refill_timer = None;
                    self.dirty = true;
                }
            }
        }
    }

    fn request_overdue(&mut self, request: RequestId) {
        let Some(entry) = self.requests.get_mut(&request) else {
            return;
        };
        entry.timer = None;
        let function = entry.function;
        match entry.stage {
            RequestStage::Held => self.release_held(request, function),
            RequestStage::Waiting => {
                self.unqueue(request, function);
                let pool = self.pools.get(&function);
                let reason = match pool.map(|pool| pool.limits.excess) {
                    Some(Excess::Throttle) => RefuseReason::Throttled,
                    _ => RefuseReason::QueueTimeout,
                };
                self.refuse(request, reason, None);
            }
            // The request kept its slot for a whole timeout: the code does not notice that its
            // client is gone.
            RequestStage::Running {
                instance,
                gone: true,
                ..
            } => {
                self.stop(instance, StopReason::Timeout);
                self.dirty = true;
            }
            RequestStage::Running {
                instance, since, ..
            } => {
                if let Some(pool) = self.pools.get_mut(&function) {
                    pool.service.add(self.now.since(since));
                }
                self.refuse(request, RefuseReason::Timeout, None);
                if let Some(late) = self.instances.get_mut(&instance) {
                    late.free_slot(request);
                }
                self.stop(instance, StopReason::Timeout);
                self.dirty = true;
            }
        }
    }

    /// Sets the timer of an instance that may be idle.
    pub(super) fn arm_idle(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let (pause_after, stop_after) = match (instance.role, instance.bound) {
            (InstanceRole::Spare, _) => self.spare_patience(instance.package),
            (InstanceRole::Serving, Some((function, _))) if instance.running.is_empty() => {
                let Some(pool) = self.pools.get(&function) else {
                    return;
                };
                (pool.limits.pause_after, pool.limits.stop_after)
            }
            _ => return,
        };
        let at = match instance.power {
            Power::Running => instance.last_used.max(instance.awake_since) + pause_after,
            // A spare without code is of use to every function, however long it has been idle.
            Power::Paused if instance.role == InstanceRole::Spare && instance.loaded.is_none() => {
                return;
            }
            Power::Paused => instance.last_used + stop_after,
            Power::Pausing { .. } | Power::Resuming => return,
        };
        if let Some(instance) = self.instances.get_mut(&id) {
            self.timers
                .set(&mut instance.timer, TimerKind::Idle(id), at);
        }
    }

    /// When spares are paused and stopped: when the most patient function of the package says.
    fn spare_patience(&self, package: PackageId) -> (Duration, Duration) {
        let functions = self
            .packages
            .get(&package)
            .map(|package| &package.functions);
        let pools = functions
            .into_iter()
            .flatten()
            .filter_map(|id| self.pools.get(id));
        pools
            .map(|pool| (pool.limits.pause_after, pool.limits.stop_after))
            .reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
            .unwrap_or_else(|| {
                let limits = FunctionLimits::default();
                (limits.pause_after, limits.stop_after)
            })
    }

    fn idle_overdue(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        instance.timer = None;
        let function = instance.bound.map(|(function, _)| function);
        let (role, power) = (instance.role, instance.power);
        let pool = function.and_then(|function| self.pools.get_mut(&function));
        let kept = |count: usize, pool: &crate::pool::Pool| count <= pool.least();
        match (role, power, pool) {
            (InstanceRole::Spare, Power::Running, _) => {}
            (InstanceRole::Serving, Power::Running, Some(pool)) => {
                if kept(pool.unpaused(), pool) {
                    return;
                }
                pool.remove_free(id);
                pool.paused.push(id);
            }
            (InstanceRole::Spare, Power::Paused, _) => return self.stop_idle(id),
            (InstanceRole::Serving, Power::Paused, Some(pool)) => {
                if kept(pool.live(), pool) {
                    return;
                }
                return self.stop_idle(id);
            }
            _ => return,
        }
        instance.power = Power::Pausing { wake: false };
        self.out.push(Effect::Pause { instance: id });
    }

    fn stop_idle(&mut self, id: InstanceId) {
        self.stop(id, StopReason::Idle);
        self.dirty = true;
    }

    /// Gives up what nobody is using: paused instances above `min_instances`, then spares.
    pub(super) fn memory_pressure(&mut self) {
        /// Refilling at once would bring the pressure back.
        const CALM: Duration = Duration::from_secs(30);
        let mut victims: Vec<InstanceId> = Vec::new();
        for pool in self.pools.values() {
            let surplus = pool.live().saturating_sub(pool.least());
            victims.extend(pool.paused.iter().take(surplus));
        }
        victims.extend(self.packages.values().flat_map(|package| &package.spares));
        for id in victims {
            self.stop(id, StopReason::Memory);
        }
        self.refill_at = self.now + CALM;
        self.dirty = true;
    }
}
