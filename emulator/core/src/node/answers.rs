//! Deadlines of what was asked for: an effect that is never answered must not hold an instance, its
//! memory and what waits for it for ever.
//!
//! The driver that performs effects has shorter deadlines of its own and answers when they pass.
//! These here are reached only when the performer itself broke down, so they are generous.

use super::Node;
use crate::effect::{Effect, StopReason};
use crate::ids::{FunctionId, InstanceId};
use crate::package::{Prime, start_backoff};
use crate::pool::slot::{Awaited, InstanceRole, PoolInstance, Power};
use crate::time::Duration;
use crate::timers::TimerKind;

impl Awaited {
    /// The maximum time until the answer.
    fn deadline(self) -> Duration {
        Duration::from_secs(match self {
            // An engine may pull and unpack before it starts; the performer waits 20 s for a boot.
            Self::Start => 120,
            // The performer ends an import after 60 s.
            Self::Prime | Self::Assign => 90,
            Self::Pause | Self::Resume => 30,
            // The longest grace and the removal of a container by a busy engine.
            Self::Stop => 120,
        })
    }

    /// The answer an instance in this state owes.
    pub(crate) fn from_instance(instance: &PoolInstance) -> Option<Self> {
        match (instance.role, instance.power) {
            (InstanceRole::Stopping, _) => Some(Self::Stop),
            (InstanceRole::Starting(_), _) => Some(Self::Start),
            (_, Power::Pausing { .. }) => Some(Self::Pause),
            (_, Power::Resuming) => Some(Self::Resume),
            (InstanceRole::Priming(_), Power::Running) => Some(Self::Prime),
            (InstanceRole::Assigning, Power::Running) => Some(Self::Assign),
            _ => None,
        }
    }
}

impl Node {
    /// Sets the deadlines of what the effects at hand ask for, and clears that of an instance that
    /// has answered.
    pub(super) fn await_answers(&mut self, told: Option<InstanceId>) {
        if let Some(id) = told {
            self.await_answer(id);
        }
        for at in 0..self.out.len() {
            if let Some(id) = self.out.get(at).and_then(Effect::awaits) {
                self.await_answer(id);
            }
        }
    }

    fn await_answer(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let awaited = Awaited::from_instance(instance);
        if instance.awaited == awaited {
            return;
        }
        instance.awaited = awaited;
        let (slot, timer) = (&mut instance.answer_timer, TimerKind::Unanswered(id));
        match awaited {
            Some(awaited) => self.timers.set(slot, timer, self.now + awaited.deadline()),
            None => self.timers.clear(slot, timer),
        }
    }

    /// Gives up an instance of which nothing was heard.
    pub(super) fn never_answered(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        instance.answer_timer = None;
        let (awaited, owner, bound) = (instance.awaited.take(), instance.package, instance.bound);
        self.dirty = true;
        match awaited {
            Some(Awaited::Start) => self.start_overdue(id),
            Some(Awaited::Stop) => {
                self.gone(id);
                self.out.push(Effect::Abandon { instance: id });
            }
            Some(Awaited::Prime) => {
                self.stop(id, StopReason::Unanswered);
                if let Some(package) = self.packages.get_mut(&owner)
                    && package.prime.is_none()
                {
                    package.prime = Some(Prime::Wanted);
                }
            }
            Some(Awaited::Assign) => {
                if let Some((function, _)) = bound {
                    self.assign_overdue(function, id);
                }
            }
            Some(Awaited::Pause | Awaited::Resume) => self.stop(id, StopReason::Unanswered),
            None => {}
        }
    }

    fn assign_overdue(&mut self, function: FunctionId, id: InstanceId) {
        self.lost_in_preparation(function, id);
        self.stop(id, StopReason::Unanswered);
        if let Some(pool) = self.pools.get_mut(&function) {
            pool.instance_failed(start_backoff(pool.deaths + 1), false, self.now);
            self.give_up_imports(function);
        }
    }
}
