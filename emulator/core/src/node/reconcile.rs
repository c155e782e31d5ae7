//! After something changed: everything that waits, in one order.
//!
//! First code to be imported (one instance a package, and somebody is looking at it), then
//! requests, the longest waiting function first, then code in preparation, then `min_instances`,
//! then spares. The latter two stand back while any of the former is short of room.

use super::Node;
use super::capacity::CapacityFit;
use crate::effect::{Effect, StopReason};
use crate::ids::{FunctionId, InstanceId, PackageId};
use crate::package::Prime;
use crate::pool::slot::{InstanceRole, Intent, Power};
use crate::time::Instant;
use crate::timers::TimerKind;

impl Node {
    pub(super) fn settle(&mut self) {
        self.dirty = false;
        self.demand_unmet = false;
        self.demand_blocked = false;
        if self.over {
            self.shrink();
        }
        if !self.draining {
            self.settle_primes();
        }
        for function in self.hungriest_first() {
            self.serve(function);
        }
        if self.draining {
            self.settle_drain();
            return;
        }
        for function in self.by_recency() {
            self.settle_next(function);
        }
        let mut again: Option<Instant> = None;
        let short = |id: &FunctionId| {
            let pool = self.pools.get(id);
            pool.is_some_and(|pool| pool.unpaused() < pool.least())
        };
        let keeping: Vec<FunctionId> = self.kept.iter().copied().filter(short).collect();
        for function in keeping {
            sooner(&mut again, self.settle_kept(function));
        }
        let packages: Vec<PackageId> = self.packages.keys().copied().collect();
        for package in packages {
            self.trim_spares(package);
            sooner(&mut again, self.refill_spares(package));
        }
        match again {
            Some(at) => self
                .timers
                .set(&mut self.refill_timer, TimerKind::Refill, at),
            None => self.timers.clear(&mut self.refill_timer, TimerKind::Refill),
        }
    }

    fn hungriest_first(&self) -> Vec<FunctionId> {
        let mut functions_waiting: Vec<(Option<Instant>, FunctionId)> = self
            .functions_waiting
            .iter()
            .map(|&function| {
                let oldest = self
                    .pools
                    .get(&function)
                    .and_then(|pool| pool.queue.front());
                (
                    oldest
                        .and_then(|id| self.requests.get(&id))
                        .map(|entry| entry.since),
                    function,
                )
            })
            .collect();
        functions_waiting.sort_unstable();
        functions_waiting
            .into_iter()
            .map(|(_, function)| function)
            .collect()
    }

    /// Finds an instance for each import that has none: a spare, else a start that is under way for
    /// one, else a new start. A spare that turns up while a start is under way is quicker.
    fn settle_primes(&mut self) {
        let wanted: Vec<PackageId> = self
            .packages
            .iter()
            .filter(|(_, one)| matches!(one.prime, Some(Prime::Wanted | Prime::Starting(_))))
            .map(|(&id, _)| id)
            .collect();
        for id in wanted {
            let Some(package) = self.packages.get(&id) else {
                continue;
            };
            let memory = self.spare_memory(id);
            let unloaded = package.spares.iter().filter_map(|&spare| {
                let instance = self
                    .instances
                    .get(&spare)
                    .filter(|one| one.loaded.is_none())?;
                Some((
                    instance.power == Power::Running,
                    instance.memory_mib == memory,
                    spare,
                ))
            });
            match (unloaded.max(), package.prime) {
                (Some((.., spare)), Some(Prime::Starting(start))) => {
                    self.change_intent(start, Intent::Spare);
                    self.prime_with(id, spare);
                }
                (Some((.., spare)), _) => self.prime_with(id, spare),
                (None, Some(Prime::Starting(_))) => {}
                (None, _) if package.spare_starts > 0 => self.prime_with_start(id),
                (None, _) if package.held(self.now) => {}
                (None, _) => self.start_wanted(id, memory, Intent::Prime),
            }
        }
    }

    /// Lets the oldest start of a spare import the package's code.
    fn prime_with_start(&mut self, id: PackageId) {
        let spare = InstanceRole::Starting(Intent::Spare);
        let mut starts = self.instances.iter();
        let start = starts.find(|(_, one)| one.package == id && one.role == spare);
        if let Some((&start, _)) = start {
            self.change_intent(start, Intent::Prime);
        }
    }

    /// Starts an instance that somebody waits for, if allowed.
    fn start_wanted(&mut self, package: PackageId, memory_mib: u32, intent: Intent) {
        if self.demand_starts >= self.limits.parallel_starts.max(1) as usize {
            self.demand_blocked = true;
            return;
        }
        match self.make_room(memory_mib) {
            CapacityFit::Now => self.start(package, memory_mib, intent),
            CapacityFit::Soon => self.demand_blocked = true,
            CapacityFit::None => (self.demand_blocked, self.demand_unmet) = (true, true),
        }
    }

    /// Finds an instance for a function's new code.
    fn settle_next(&mut self, function: FunctionId) {
        let Some(pool) = self.pools.get(&function) else {
            return;
        };
        let Some(next) = pool.next.filter(|next| next.instance.is_none()) else {
            return;
        };
        let (package, memory) = (pool.package, pool.limits.memory_mib);
        if let Some(spare) = self.find_spare(package, memory, next.code) {
            self.prepare_with(function, spare);
        } else if next.starting.is_none()
            && self
                .packages
                .get(&package)
                .is_some_and(|package| !package.held(self.now))
        {
            self.start_wanted(package, memory, Intent::Next(function));
        }
    }

    /// Brings a function up to its `min_instances`, unpaused. Tells when to try again.
    fn settle_kept(&mut self, function: FunctionId) -> Option<Instant> {
        loop {
            let pool = self.pools.get(&function)?;
            if pool.unpaused() >= pool.least() || pool.broken {
                return None;
            }
            if self.wake(function) {
                continue;
            }
            let pool = self.pools.get(&function)?;
            let (package, memory, code) = (pool.package, pool.limits.memory_mib, pool.code);
            if !pool.below_max() || pool.next.is_some() {
                return None;
            }
            let at = pool.refill_at.max(pool.held_until);
            if at > self.now {
                return Some(at);
            }
            if let Some(spare) = self.find_spare(package, memory, code) {
                self.assign(spare, function, code);
            } else if self.may_refill(package, memory) {
                self.start(package, memory, Intent::Keep(function));
            } else {
                return None;
            }
        }
    }

    /// Returns whether a start that no request waits for is allowed. Nothing is evicted for it.
    fn may_refill(&self, package: PackageId, memory_mib: u32) -> bool {
        let held = self
            .packages
            .get(&package)
            .is_none_or(|package| package.held(self.now));
        !held
            && !self.demand_blocked
            && self.refill_starts < self.limits.parallel_refills as usize
            && self.fits(memory_mib)
    }

    /// Memory for a spare: that of the function last started, since it is likely to want another;
    /// else the node's, if any function could use it; else that of the first function.
    pub(crate) fn spare_memory(&self, package: PackageId) -> u32 {
        // A spare larger than the node would never come, and its package's code with it.
        let default = self.limits.spare_memory_mib.min(self.limits.memory_mib);
        let Some(package) = self.packages.get(&package) else {
            return default;
        };
        let memory = |id: &FunctionId| self.pools.get(id).map(|pool| pool.limits.memory_mib);
        if let Some(last) = package.last_started.as_ref().and_then(memory) {
            return last;
        }
        let mut all = package.functions.iter().filter_map(memory);
        let first = all.next();
        if first == Some(default) || all.any(|other| other == default) {
            return default;
        }
        first.unwrap_or(default)
    }

    /// Booted spares of a package that have imported nothing and fit any function.
    pub(super) fn unloaded_spares(&self, package: PackageId) -> usize {
        let spares = self
            .packages
            .get(&package)
            .map(|package| package.spares.iter());
        let instances = spares
            .into_iter()
            .flatten()
            .filter_map(|id| self.instances.get(id));
        instances.filter(|spare| spare.loaded.is_none()).count()
    }

    /// Stops spares beyond the limit, first those of a size nobody asked for lately. One that has
    /// imported the current code is kept besides: it starts a function quickest, but cannot import
    /// the next save.
    fn trim_spares(&mut self, id: PackageId) {
        let memory = self.spare_memory(id);
        let Some(package) = self.packages.get(&id) else {
            return;
        };
        let pools = || {
            package
                .functions
                .iter()
                .filter_map(|function| self.pools.get(function))
        };
        let mut plain: Vec<(bool, InstanceId)> = Vec::new();
        let mut victims: Vec<InstanceId> = Vec::new();
        let mut kept = false;
        for &spare in package.spares.iter().rev() {
            let Some(instance) = self.instances.get(&spare) else {
                continue;
            };
            if instance.loaded.is_none() {
                plain.push((instance.memory_mib != memory, spare));
                continue;
            }
            let size = instance.memory_mib;
            if kept || !pools().any(|pool| pool.limits.memory_mib == size && !pool.broken) {
                victims.push(spare);
            }
            kept = true;
        }
        // Stable: among equals the longest idle go.
        plain.sort_by_key(|&(odd, _)| odd);
        victims.extend(
            plain
                .into_iter()
                .skip(self.limits.spares as usize)
                .map(|(_, id)| id),
        );
        for spare in victims {
            self.stop(spare, StopReason::Idle);
        }
    }

    /// Starts spares up to the limit. Tells when to try again.
    fn refill_spares(&mut self, id: PackageId) -> Option<Instant> {
        loop {
            let memory = self.spare_memory(id);
            let package = self.packages.get(&id)?;
            let fitting = package
                .spares
                .iter()
                .filter_map(|spare| self.instances.get(spare));
            let fitting = fitting
                .filter(|spare| spare.loaded.is_none() && spare.memory_mib == memory)
                .count();
            if fitting + package.spare_starts >= self.limits.spares as usize {
                return None;
            }
            // The instance that imports the code is wanted sooner, and may be a spare afterwards.
            if matches!(package.prime, Some(Prime::Wanted | Prime::Starting(_))) {
                return None;
            }
            let at = package.refill_at.max(self.refill_at);
            if at > self.now {
                return Some(at);
            }
            if !self.may_refill(id, memory) {
                return None;
            }
            self.start(id, memory, Intent::Spare);
        }
    }

    /// Stops everything that serves nobody and will not.
    fn settle_drain(&mut self) {
        let idle: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|(_, instance)| {
                let waiters = instance
                    .bound
                    .and_then(|(function, _)| self.pools.get(&function))
                    .is_some_and(|pool| !pool.queue.is_empty());
                match instance.role {
                    InstanceRole::Spare | InstanceRole::Priming(_) => true,
                    InstanceRole::Assigning => !waiters,
                    InstanceRole::Serving => instance.running.is_empty() && !waiters,
                    InstanceRole::Starting(_) | InstanceRole::Stopping => false,
                }
            })
            .map(|(&id, _)| id)
            .collect();
        for id in idle {
            self.stop(id, StopReason::Drain);
        }
        if self.requests.is_empty() && self.instances.is_empty() && !self.drained {
            self.drained = true;
            self.out.push(Effect::Drained);
        }
    }
}

fn sooner(first: &mut Option<Instant>, other: Option<Instant>) {
    if let Some(other) = other {
        *first = Some(first.map_or(other, |first| first.min(other)));
    }
}
