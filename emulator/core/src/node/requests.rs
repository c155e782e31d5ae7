//! Requests: dispatched, refused, put back, ended. How they get in is in `admit`.

use super::Node;
use fnlocal_api::{RefuseReason, StartKind};

use crate::effect::{Effect, StopReason};
use crate::event::Retry;
use crate::ids::{FunctionId, InstanceId, RequestId};
use crate::limits::FunctionLimits;
use crate::pool::slot::{InstanceRole, PoolRequest, RequestStage};
use crate::time::Duration;
use crate::timers::TimerKind;

impl Node {
    /// Gives a request to an instance that has room.
    pub(super) fn dispatch(&mut self, request: RequestId, id: InstanceId, start: StartKind) {
        let (Some(entry), Some(instance)) =
            (self.requests.get_mut(&request), self.instances.get_mut(&id))
        else {
            return;
        };
        let Some(pool) = self.pools.get_mut(&entry.function) else {
            return;
        };
        debug_assert!(
            instance.running.len() < instance.slots,
            "{id} has no room for {request}"
        );
        instance.running.push(request);
        self.timers.clear(&mut instance.timer, TimerKind::Idle(id));
        if instance.running.len() >= instance.slots {
            pool.remove_free(id);
        }
        let since = self.now;
        entry.stage = RequestStage::Running {
            instance: id,
            since,
            answered: false,
            gone: false,
        };
        let deadline = since + pool.limits.timeout;
        self.timers
            .set(&mut entry.timer, TimerKind::Request(request), deadline);
        self.out.push(Effect::Dispatch {
            request,
            instance: id,
            start,
        });
    }

    /// Ends a request that is in no queue (any more) with a refusal.
    pub(super) fn refuse(
        &mut self,
        request: RequestId,
        reason: RefuseReason,
        retry_after: Option<Duration>,
    ) {
        if self.forget(request).is_some() {
            self.out.push(Effect::Refuse {
                request,
                reason,
                retry_after,
            });
        }
    }

    /// Ends every waiting request of a function with a refusal.
    pub(super) fn refuse_waiting(
        &mut self,
        function: FunctionId,
        reason: RefuseReason,
        retry_after: Option<Duration>,
    ) {
        while let Some(request) = self
            .pools
            .get_mut(&function)
            .and_then(|pool| pool.queue.pop_front())
        {
            self.refuse(request, reason, retry_after);
        }
        self.functions_waiting.remove(&function);
    }

    /// Takes a request that waits out of its queue.
    pub(super) fn unqueue(&mut self, request: RequestId, function: FunctionId) {
        if let Some(pool) = self.pools.get_mut(&function) {
            pool.queue.remove(request);
            if pool.queue.is_empty() {
                self.functions_waiting.remove(&function);
            }
        }
    }

    fn forget(&mut self, request: RequestId) -> Option<PoolRequest> {
        let mut entry = self.requests.remove(&request)?;
        self.timers
            .clear(&mut entry.timer, TimerKind::Request(request));
        if self.draining {
            self.dirty = true;
        }
        Some(entry)
    }

    pub(super) fn response_started(&mut self, request: RequestId) {
        let Some(entry) = self.requests.get_mut(&request) else {
            return;
        };
        if let RequestStage::Running {
            answered,
            gone: false,
            ..
        } = &mut entry.stage
        {
            *answered = true;
            self.timers
                .clear(&mut entry.timer, TimerKind::Request(request));
        }
    }

    pub(super) fn response_finished(&mut self, request: RequestId) {
        let Some(entry) = self.requests.get(&request) else {
            return;
        };
        let RequestStage::Running {
            instance, since, ..
        } = entry.stage
        else {
            return;
        };
        let function = entry.function;
        self.forget(request);
        if let Some(pool) = self.pools.get_mut(&function) {
            pool.service.add(self.now.since(since));
            pool.last_used = Some(self.now);
        }
        self.release(request, instance);
    }

    pub(super) fn released(&mut self, request: RequestId) {
        let Some(entry) = self.requests.get(&request) else {
            return;
        };
        if let RequestStage::Running {
            instance,
            gone: true,
            ..
        } = entry.stage
        {
            self.forget(request);
            self.release(request, instance);
        }
    }

    /// Gives back a slot: to the oldest waiter if there is one.
    fn release(&mut self, request: RequestId, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        instance.free_slot(request);
        instance.last_used = self.now;
        instance.served = true;
        if instance.role != InstanceRole::Serving {
            return;
        }
        if let Some(reason) = instance.retired {
            if instance.running.is_empty() {
                self.stop(id, reason);
            }
            return;
        }
        let Some((function, _)) = instance.bound else {
            return;
        };
        if let Some(pool) = self.pools.get_mut(&function) {
            pool.deaths = 0;
        }
        self.fill(id, function, None);
        // Another function may want the memory of an instance that becomes idle here.
        if self.demand_unmet || self.draining || self.over {
            self.dirty = true;
        }
    }

    pub(super) fn request_failed(&mut self, request: RequestId, retry: Retry) {
        let Some(entry) = self.requests.get_mut(&request) else {
            return;
        };
        let RequestStage::Running {
            instance,
            answered,
            gone,
            ..
        } = entry.stage
        else {
            return;
        };
        if let Some(broken) = self.instances.get_mut(&instance) {
            broken.free_slot(request);
            self.stop(instance, StopReason::Broken);
        }
        self.dirty = true;
        let Some(entry) = self.requests.get_mut(&request) else {
            return;
        };
        let function = entry.function;
        if gone {
            self.forget(request);
        } else if answered || !entry.may_retry(retry) {
            self.refuse(request, RefuseReason::InstanceDied, None);
        } else {
            entry.count_retry(retry);
            self.retry(request, function);
        }
    }

    /// Puts a request in front of the queue.
    fn retry(&mut self, request: RequestId, function: FunctionId) {
        let Some(pool) = self.pools.get_mut(&function) else {
            return self.refuse(request, RefuseReason::UnknownFunction, None);
        };
        if pool.broken {
            return self.refuse(request, RefuseReason::BrokenCode, None);
        }
        let Some(entry) = self.requests.get_mut(&request) else {
            return;
        };
        (entry.since, entry.stage) = (self.now, RequestStage::Waiting);
        pool.queue.push_front(request);
        self.functions_waiting.insert(function);
        self.arm_waiter(request, function);
        self.serve(function);
    }

    pub(super) fn client_gone(&mut self, request: RequestId) {
        let Some(entry) = self.requests.get_mut(&request) else {
            return;
        };
        let function = entry.function;
        match &mut entry.stage {
            RequestStage::Held => {
                self.unhold(function);
                self.forget(request);
            }
            RequestStage::Waiting => {
                self.unqueue(request, function);
                self.forget(request);
            }
            RequestStage::Running { gone: true, .. } => {}
            RequestStage::Running { instance, gone, .. } => {
                let instance = *instance;
                *gone = true;
                let timeout = self.pools.get(&function).map(|pool| pool.limits.timeout);
                // A removed function's own is not known any more.
                let timeout = timeout.unwrap_or_else(|| FunctionLimits::default().timeout);
                let deadline = self.now + timeout;
                self.timers
                    .set(&mut entry.timer, TimerKind::Request(request), deadline);
                if !self.instances.contains_key(&instance) {
                    self.forget(request);
                }
            }
        }
    }
}
