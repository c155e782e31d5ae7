//! An instance as the core knows it, and a request.

use crate::effect::StopReason;
use crate::event::Retry;
use crate::ids::{CodeHash, FunctionId, InstanceId, PackageId, RequestId};
use crate::time::Instant;

/// Why an instance is being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// A request waits.
    Demand(FunctionId),
    /// `min_instances`.
    Keep(FunctionId),
    /// New code is to be prepared for a function in use.
    Next(FunctionId),
    /// New code is to be imported and described.
    Prime,
    /// To be ready for whatever comes.
    Spare,
    /// Its package is gone: it is stopped once booted.
    Orphan,
}

/// The present role of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstanceRole {
    Starting(Intent),
    Spare,
    Priming(CodeHash),
    Assigning,
    Serving,
    Stopping,
}

/// The power state of an instance. Only ever other than `Running` once booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    Running,
    /// Asked to pause; `wake`: it is wanted again, and resumed as soon as it has paused.
    Pausing {
        wake: bool,
    },
    Paused,
    Resuming,
}

/// A call that an instance has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    Start,
    Prime,
    Assign,
    Pause,
    Resume,
    Stop,
}

/// One instance, from the start being asked for until nothing of it remains.
#[derive(Debug)]
pub(crate) struct PoolInstance {
    pub(crate) package: PackageId,
    pub(crate) memory_mib: u32,
    pub(crate) role: InstanceRole,
    pub(crate) power: Power,
    /// Its start counts as a refill, not as demand.
    pub(crate) refill: bool,
    /// Code it has imported without a function.
    pub(crate) loaded: Option<CodeHash>,
    /// Its function and code. Set once.
    pub(crate) bound: Option<(FunctionId, CodeHash)>,
    /// Requests it takes at once. Set with `bound`.
    pub(crate) slots: usize,
    /// Requests that occupy a slot, those of clients who left included.
    pub(crate) running: Vec<RequestId>,
    /// To be stopped, for this reason, as soon as its last request ends.
    pub(crate) retired: Option<StopReason>,
    /// `true` once the instance has finished a request.
    pub(crate) served: bool,
    /// When the step under way (start, assign) was asked for.
    pub(crate) asked_at: Instant,
    pub(crate) booted_at: Instant,
    /// Last finish, or when it became ready.
    pub(crate) last_used: Instant,
    /// When it was last resumed.
    pub(crate) awake_since: Instant,
    pub(crate) timer: Option<Instant>,
    /// The call that the instance has yet to answer.
    pub(crate) awaited: Option<Awaited>,
    /// When it is given up if it has not.
    pub(crate) answer_timer: Option<Instant>,
}

impl PoolInstance {
    /// Returns a slot for an instance that was requested at `now`.
    pub(crate) fn new(package: PackageId, memory_mib: u32, intent: Intent, now: Instant) -> Self {
        Self {
            package,
            memory_mib,
            role: InstanceRole::Starting(intent),
            power: Power::Running,
            refill: matches!(intent, Intent::Keep(_) | Intent::Spare),
            loaded: None,
            bound: None,
            slots: 0,
            running: Vec::new(),
            retired: None,
            served: false,
            asked_at: now,
            booted_at: now,
            last_used: now,
            awake_since: now,
            timer: None,
            awaited: None,
            answer_timer: None,
        }
    }

    /// Serving, and nothing runs in it.
    pub(crate) fn idle(&self) -> bool {
        self.role == InstanceRole::Serving && self.running.is_empty()
    }

    /// Takes a request out of its slots.
    pub(crate) fn free_slot(&mut self, request: RequestId) {
        if let Some(at) = self.running.iter().position(|&other| other == request) {
            self.running.swap_remove(at);
        }
    }
}

/// The stage of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestStage {
    /// Over the rate: it becomes a waiter when its timer ends.
    Held,
    Waiting,
    Running {
        instance: InstanceId,
        /// When it was dispatched.
        since: Instant,
        /// The head of its response was seen.
        answered: bool,
        /// Its client left: it ended, but still occupies a slot.
        gone: bool,
    },
}

/// One request, until it ends and leaves its slot.
#[derive(Debug)]
pub(crate) struct PoolRequest {
    pub(crate) function: FunctionId,
    /// When it arrived, or was put back after its instance failed.
    pub(crate) since: Instant,
    pub(crate) stage: RequestStage,
    /// `true` if the request was tried on an instance that failed.
    pub(crate) retried: bool,
    /// How often it has been put back.
    pub(crate) retries: u8,
    pub(crate) timer: Option<Instant>,
}

/// The maximum number of instances ended from outside that a request may meet. Beyond it, instances
/// are ended faster than they start.
const RETRIES: u8 = 10;

impl PoolRequest {
    /// Returns whether the request may be put back in the queue.
    pub(crate) fn may_retry(&self, retry: Retry) -> bool {
        match retry {
            Retry::No => false,
            Retry::Once => !self.retried,
            Retry::Free => self.retries < RETRIES,
        }
    }

    /// Notes that it is put back.
    pub(crate) fn count_retry(&mut self, retry: Retry) {
        self.retried |= retry == Retry::Once;
        self.retries = self.retries.saturating_add(1);
    }
}
