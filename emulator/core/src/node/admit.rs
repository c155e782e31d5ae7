//! Requests that arrive: admitted, held back by the rate, queued, or refused.

use super::Node;
use fnlocal_api::{RefuseReason, StartKind};

use crate::effect::Effect;
use crate::ids::{FunctionId, RequestId};
use crate::limits::Excess;
use crate::pool::slot::{PoolRequest, RequestStage};
use crate::time::Duration;
use crate::timers::TimerKind;

/// Told to clients of a full queue when nothing better is known, and the longest told.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Node {
    pub(super) fn arrived(&mut self, request: RequestId, function: FunctionId) {
        if self.requests.contains_key(&request) {
            return;
        }
        let held = match self.admit(function) {
            Ok(held) => held,
            Err((reason, retry_after)) => {
                self.out.push(Effect::Refuse {
                    request,
                    reason,
                    retry_after,
                });
                return;
            }
        };
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        pool.last_used = Some(self.now);
        let mut entry = PoolRequest {
            function,
            since: self.now,
            stage: RequestStage::Waiting,
            retried: false,
            retries: 0,
            timer: None,
        };
        if !held.is_zero() {
            pool.held += 1;
            entry.stage = RequestStage::Held;
            let (timer, at) = (TimerKind::Request(request), self.now + held);
            self.timers.set(&mut entry.timer, timer, at);
            self.requests.insert(request, entry);
            return;
        }
        self.requests.insert(request, entry);
        self.enter(request, function);
    }

    /// Gives an admitted request to an instance, or lets it wait for one.
    fn enter(&mut self, request: RequestId, function: FunctionId) {
        let Some(pool) = self.pools.get(&function) else {
            return;
        };
        if let Some(&instance) = pool.free.last() {
            return self.dispatch(request, instance, StartKind::Warm);
        }
        self.arm_waiter(request, function);
        self.enqueue(request, function);
    }

    /// Sets the time at which a waiter gives up.
    pub(super) fn arm_waiter(&mut self, request: RequestId, function: FunctionId) {
        let (Some(pool), Some(entry)) =
            (self.pools.get(&function), self.requests.get_mut(&request))
        else {
            return;
        };
        let package = self.packages.get(&pool.package);
        let at = self.now + pool.patience(package.map_or(0, |package| package.start_micros()));
        self.timers
            .set(&mut entry.timer, TimerKind::Request(request), at);
    }

    /// The turn of a request that was over the rate has come. Its function may be gone.
    pub(super) fn release_held(&mut self, request: RequestId, function: FunctionId) {
        let Some(pool) = self.pools.get_mut(&function) else {
            return self.refuse(request, RefuseReason::UnknownFunction, None);
        };
        pool.held -= 1;
        if let Err((reason, retry_after)) = self.servable(function) {
            return self.refuse(request, reason, retry_after);
        }
        if let Some(entry) = self.requests.get_mut(&request) {
            (entry.stage, entry.since) = (RequestStage::Waiting, self.now);
        }
        self.enter(request, function);
    }

    /// Ends every request a removed function's rate holds back.
    pub(super) fn refuse_held(&mut self, function: FunctionId) {
        let of =
            |entry: &PoolRequest| entry.function == function && entry.stage == RequestStage::Held;
        let held = self.requests.iter().filter(|(_, entry)| of(entry));
        let held: Vec<RequestId> = held.map(|(&id, _)| id).collect();
        for request in held {
            self.unhold(function);
            self.refuse(request, RefuseReason::UnknownFunction, None);
        }
    }

    /// One request fewer is held back by the rate.
    pub(super) fn unhold(&mut self, function: FunctionId) {
        if let Some(pool) = self.pools.get_mut(&function) {
            pool.held -= 1;
        }
    }

    /// The policy's first steps: everything that refuses a request before an instance is looked
    /// for. Tells how long it is to be held because of the rate.
    fn admit(
        &mut self,
        function: FunctionId,
    ) -> Result<Duration, (RefuseReason, Option<Duration>)> {
        let now = self.now;
        let Some(pool) = self.pools.get_mut(&function) else {
            return Err((RefuseReason::UnknownFunction, None));
        };
        if self.draining {
            return Err((RefuseReason::Draining, None));
        }
        if pool.broken {
            return Err((RefuseReason::BrokenCode, None));
        }
        let may_hold = pool.held < pool.limits.queue as usize;
        let patience = pool.limits.queue_timeout;
        let mut held = Duration::ZERO;
        for bucket in self.bucket.iter_mut().chain(pool.bucket.iter_mut()) {
            let wait = bucket.wait(now);
            let in_time = bucket.lends() && may_hold && wait <= patience;
            if !wait.is_zero() && !in_time {
                return Err((RefuseReason::RateLimited, Some(wait)));
            }
            held = held.max(wait);
        }
        for bucket in self.bucket.iter_mut().chain(pool.bucket.iter_mut()) {
            bucket.take();
        }
        self.servable(function)?;
        Ok(held)
    }

    /// Returns whether an instance may serve the function at all.
    fn servable(&self, function: FunctionId) -> Result<(), (RefuseReason, Option<Duration>)> {
        let now = self.now;
        let Some(pool) = self.pools.get(&function) else {
            return Err((RefuseReason::UnknownFunction, None));
        };
        if pool.broken {
            return Err((RefuseReason::BrokenCode, None));
        }
        if pool.import_hold(now) {
            return Err((RefuseReason::BrokenCode, Some(pool.held_until.since(now))));
        }
        if !pool.members.is_empty() {
            return Ok(());
        }
        let too_big = pool.limits.memory_mib > self.limits.memory_mib;
        let package = self.packages.get(&pool.package);
        let hopeless = package.is_some_and(|package| package.hopeless(now));
        if too_big || hopeless || pool.hopeless(now) {
            let until = package
                .and_then(|package| package.retry_at)
                .max(Some(pool.held_until));
            let wait = until.map(|at| at.since(now)).filter(|wait| !wait.is_zero());
            return Err((RefuseReason::StartFailed, wait));
        }
        Ok(())
    }

    /// Lets a request wait, unless nothing under way will serve it and the queue is full.
    fn enqueue(&mut self, request: RequestId, function: FunctionId) {
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        pool.queue.push_back(request);
        self.functions_waiting.insert(function);
        self.serve(function);
        if self.too_many_wait(function) {
            self.shed_newest(function);
        }
    }

    /// Returns whether the queue is longer than its bound, without anything under way that will
    /// serve it.
    pub(super) fn too_many_wait(&mut self, function: FunctionId) -> bool {
        let bound = self.limits.max_instances as usize;
        let room = bound.saturating_sub(self.instances.len());
        let Some(pool) = self.pools.get_mut(&function) else {
            return false;
        };
        let uncovered = pool.uncovered();
        uncovered > pool.limits.queue as usize && uncovered > pool.waiters_allowed(room, self.now)
    }

    /// Refuses the newest waiter of a full queue.
    pub(super) fn shed_newest(&mut self, function: FunctionId) {
        let Some(pool) = self.pools.get_mut(&function) else {
            return;
        };
        let wait = pool
            .expected_wait(pool.queue.len())
            .map(Duration::from_micros);
        let wait = wait.map_or(RETRY_AFTER.0, |wait| {
            wait.clamp(RETRY_AFTER.0, RETRY_AFTER.1)
        });
        let Some(request) = pool.queue.pop_back() else {
            return;
        };
        let reason = match pool.limits.excess {
            Excess::Unavailable => RefuseReason::QueueFull,
            Excess::Throttle => RefuseReason::Throttled,
        };
        if pool.queue.is_empty() {
            self.functions_waiting.remove(&function);
        }
        self.refuse(request, reason, Some(wait));
    }
}
