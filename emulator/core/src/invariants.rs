//! Conditions that hold after every event, by name. Checked in tests; too slow for the hot path.

use std::fmt;

use crate::ids::{InstanceId, RequestId};
use crate::node::Node;
use crate::package::Prime;
use crate::pool::slot::{Awaited, InstanceRole, Intent, PoolInstance, RequestStage};
use crate::timers::TimerKind;

/// An invariant that does not hold: a mistake in this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, as a sentence.
    pub invariant: &'static str,
    /// Where it does not hold.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

impl std::error::Error for Violation {}

type InvariantResult = Result<(), Violation>;

/// Fails with the invariant's name unless the condition holds.
macro_rules! holds {
    ($invariant:literal, $condition:expr, $($detail:tt)+) => {
        if !$condition {
            return Err(Violation { invariant: $invariant, detail: format!($($detail)+) });
        }
    };
}

mod pools;

impl Node {
    /// Checks every invariant.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), Violation> {
        self.check_node_bounds()?;
        for (&id, instance) in &self.instances {
            self.check_instance(id, instance)?;
        }
        for (&id, pool) in &self.pools {
            self.check_lists(id, pool)?;
            self.check_pool_bounds(id, pool)?;
            self.check_waiting(id, pool)?;
        }
        for &id in self.requests.keys() {
            self.check_request(id)?;
        }
        self.check_packages()?;
        self.check_deadlines()
    }

    fn check_node_bounds(&self) -> InvariantResult {
        let memory = |stopping: bool| -> u64 {
            let counted = self.instances.values();
            let counted = counted.filter(|one| !stopping || one.role == InstanceRole::Stopping);
            counted.map(|one| u64::from(one.memory_mib)).sum()
        };
        holds!(
            "the memory promised is the sum of the instances'",
            self.promised_mib == memory(false) && self.stopping_mib == memory(true),
            "{} of {} MiB, stopping {} of {}",
            self.promised_mib,
            memory(false),
            self.stopping_mib,
            memory(true)
        );
        holds!(
            "memory promised is within the node's",
            self.over || self.promised_mib <= u64::from(self.limits.memory_mib),
            "{} of {} MiB",
            self.promised_mib,
            self.limits.memory_mib
        );
        holds!(
            "instances are within the node's",
            self.over || self.instances.len() <= self.limits.max_instances as usize,
            "{} of {}",
            self.instances.len(),
            self.limits.max_instances
        );
        let starts = |refill: bool| {
            let starting = |one: &&PoolInstance| matches!(one.role, InstanceRole::Starting(_));
            self.instances
                .values()
                .filter(starting)
                .filter(|one| one.refill == refill)
                .count()
        };
        holds!(
            "starts under way are counted",
            self.demand_starts == starts(false) && self.refill_starts == starts(true),
            "{} and {}, really {} and {}",
            self.demand_starts,
            self.refill_starts,
            starts(false),
            starts(true)
        );
        Ok(())
    }

    fn check_instance(&self, id: InstanceId, instance: &PoolInstance) -> InvariantResult {
        holds!(
            "busy is within concurrency",
            instance.running.len() <= instance.slots,
            "{id} runs {} of {}",
            instance.running.len(),
            instance.slots
        );
        for request in &instance.running {
            let stage = self.requests.get(request).map(|entry| entry.stage);
            holds!(
                "no slot is leaked",
                matches!(stage, Some(RequestStage::Running { instance, .. }) if instance == id),
                "{id} holds {request}, which is {stage:?}"
            );
        }
        holds!(
            "an instance serves one function in one code",
            instance.loaded.is_none()
                || instance
                    .bound
                    .is_none_or(|(_, code)| instance.loaded == Some(code)),
            "{id} has imported {:?} and is bound to {:?}",
            instance.loaded,
            instance.bound
        );
        holds!(
            "what an instance has yet to answer has a deadline",
            instance.awaited == Awaited::from_instance(instance)
                && instance.awaited.is_some() == instance.answer_timer.is_some(),
            "{id}: {:?} awaits {:?} until {:?}",
            (instance.role, instance.power),
            instance.awaited,
            instance.answer_timer
        );
        if !matches!(
            instance.role,
            InstanceRole::Serving | InstanceRole::Assigning
        ) {
            return Ok(());
        }
        let pool = instance
            .bound
            .and_then(|(function, _)| self.pools.get(&function));
        let known = pool.is_some_and(|pool| {
            pool.members.contains(&id) || pool.next.is_some_and(|next| next.instance == Some(id))
        });
        holds!(
            "an instance belongs to a pool or is retired",
            known != instance.retired.is_some(),
            "{id}: {:?}, {:?}",
            instance.bound,
            instance.retired
        );
        holds!(
            "a retired instance has a request to finish",
            instance.retired.is_none() || !instance.running.is_empty(),
            "{id}"
        );
        Ok(())
    }

    fn check_request(&self, id: RequestId) -> InvariantResult {
        let Some(entry) = self.requests.get(&id) else {
            return Ok(());
        };
        match entry.stage {
            RequestStage::Held => holds!(
                "a request over the rate has a turn",
                entry.timer.is_some(),
                "{id}"
            ),
            RequestStage::Waiting => {
                let pool = self.pools.get(&entry.function);
                let places = pool.map_or(0, |pool| pool.queue.iter().filter(|&r| r == id).count());
                holds!(
                    "a waiting request is queued once",
                    places == 1,
                    "{id}: {places}"
                );
                holds!(
                    "a waiting request has a deadline",
                    entry.timer.is_some(),
                    "{id}"
                );
            }
            RequestStage::Running {
                instance,
                answered,
                gone,
                ..
            } => {
                let instance = self.instances.get(&instance);
                holds!(
                    "a running request occupies a slot",
                    instance.is_none_or(|one| one.running.contains(&id)),
                    "{id}"
                );
                let ending = instance.is_none_or(|one| one.role == InstanceRole::Stopping);
                holds!(
                    "an unanswered request has a deadline",
                    entry.timer.is_some() || (answered && !gone) || (gone && ending),
                    "{id}: {entry:?}"
                );
                holds!(
                    "a request whose client left ends with its instance",
                    !gone || instance.is_some(),
                    "{id}"
                );
            }
        }
        Ok(())
    }

    fn check_packages(&self) -> InvariantResult {
        for (&id, package) in &self.packages {
            let spares = self.instances.iter().filter(|(_, one)| one.package == id);
            let spares = spares
                .filter(|(_, one)| one.role == InstanceRole::Spare)
                .count();
            let alike = package.spares.iter().all(|spare| {
                self.instances
                    .get(spare)
                    .is_some_and(|one| one.role == InstanceRole::Spare)
            });
            holds!(
                "spares are listed with their package",
                alike && spares == package.spares.len(),
                "{id}: {spares}, listed {:?}",
                package.spares
            );
            let priming = match package.prime {
                None | Some(Prime::Wanted) => true,
                Some(Prime::Starting(one)) => self.instances.get(&one).is_some_and(|one| {
                    one.role == InstanceRole::Starting(Intent::Prime) && one.package == id
                }),
                Some(Prime::Running(one)) => {
                    self.instances.get(&one).map(|one| one.role)
                        == Some(InstanceRole::Priming(package.wanted))
                }
            };
            holds!(
                "who imports new code is alive",
                priming,
                "{id}: {:?}",
                package.prime
            );
        }
        Ok(())
    }

    fn check_deadlines(&self) -> InvariantResult {
        let mut count = 0;
        let mut check = |slot: Option<crate::time::Instant>, timer: TimerKind| {
            let Some(at) = slot else { return Ok(()) };
            count += 1;
            holds!(
                "deadlines are set",
                self.timers.holds(at, timer),
                "{timer:?} at {at:?}"
            );
            Ok(())
        };
        for (&id, request) in &self.requests {
            check(request.timer, TimerKind::Request(id))?;
        }
        for (&id, instance) in &self.instances {
            check(instance.timer, TimerKind::Idle(id))?;
            check(instance.answer_timer, TimerKind::Unanswered(id))?;
        }
        for (&id, pool) in &self.pools {
            check(pool.demand_timer, TimerKind::Demand(id))?;
            check(pool.switch_timer, TimerKind::Switch(id))?;
        }
        for (&id, package) in &self.packages {
            check(package.retry_at, TimerKind::Backoff(id))?;
        }
        check(self.refill_timer, TimerKind::Refill)?;
        holds!(
            "no deadline outlives what it is for",
            count == self.timers.len(),
            "{count} of {}",
            self.timers.len()
        );
        holds!(
            "no deadline that has passed is left",
            self.next_deadline().is_none_or(|at| at > self.now),
            "{:?} at {:?}",
            self.next_deadline(),
            self.now
        );
        Ok(())
    }
}
