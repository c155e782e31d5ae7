//! A pool: one function's instances, its queue, and what has been measured of it.

pub(crate) mod queue;
pub(crate) mod slot;

use std::collections::BTreeSet;

use crate::average::Average;
use crate::ids::{CodeHash, InstanceId, PackageId};
use crate::limits::{Excess, FunctionLimits};
use crate::package::{MAX_CONSECUTIVE_FAILURES, refill_backoff};
use crate::rate::{FillRate, TokenBucket};
use crate::time::{Duration, Instant};
use queue::RequestQueue;

/// A function used this recently is worth importing anew before anybody asks.
const RECENT: Duration = Duration::from_secs(30);

/// New code on its way to replace the code being served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    /// The new code.
    pub(crate) code: CodeHash,
    /// The instance importing it, once there is one.
    pub(crate) instance: Option<InstanceId>,
    /// An instance is being started for it.
    pub(crate) starting: Option<InstanceId>,
}

/// One function.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) package: PackageId,
    pub(crate) limits: FunctionLimits,
    /// The code for new requests.
    pub(crate) code: CodeHash,
    /// That code cannot be imported.
    pub(crate) broken: bool,
    pub(crate) next: Option<Next>,
    pub(crate) queue: RequestQueue,
    pub(crate) bucket: Option<TokenBucket>,
    /// The tokens of `start_rate`.
    pub(crate) starts: Option<TokenBucket>,
    /// Requests over the rate whose turn has not come.
    pub(crate) held: usize,
    /// Dispatch to finished.
    pub(crate) service: Average,
    /// Instances bound to `code` that requests may be given to, now or soon.
    pub(crate) members: BTreeSet<InstanceId>,
    /// Members that run and have room, the least recently used first.
    pub(crate) free: Vec<InstanceId>,
    /// Members paused or being paused, the least recently used first.
    pub(crate) paused: Vec<InstanceId>,
    /// Members being resumed.
    pub(crate) waking: usize,
    /// Members importing their code.
    pub(crate) assigning: usize,
    /// Instances being started for this function. Not members: they have no function yet.
    pub(crate) starting: usize,
    /// The last arrival or finish.
    pub(crate) last_used: Option<Instant>,
    /// Starts because the oldest waiter had waited long: no other before this plus an estimate.
    pub(crate) patience_from: Instant,
    /// No new instance before this: the last one could not import the code.
    pub(crate) held_until: Instant,
    /// The hold is because the code could not be imported, not because an instance died.
    pub(crate) import_failed: bool,
    /// Instances in a row that ended before their first answer.
    pub(crate) deaths: u32,
    /// Instances kept ready for now, whatever `min_instances` says.
    pub(crate) expected: u32,
    /// `min_instances` are not refilled before this.
    pub(crate) refill_at: Instant,
    pub(crate) demand_timer: Option<Instant>,
    pub(crate) switch_timer: Option<Instant>,
}

impl Pool {
    /// A function without instances.
    pub(crate) fn new(
        package: PackageId,
        limits: FunctionLimits,
        code: CodeHash,
        now: Instant,
    ) -> Self {
        Self {
            package,
            bucket: request_rate(&limits).map(|rate| TokenBucket::new(rate, now)),
            starts: start_rate(&limits).map(|rate| TokenBucket::new(rate, now)),
            held: 0,
            limits,
            code,
            broken: false,
            next: None,
            queue: RequestQueue::default(),
            service: Average::default(),
            members: BTreeSet::new(),
            free: Vec::new(),
            paused: Vec::new(),
            waking: 0,
            assigning: 0,
            starting: 0,
            last_used: None,
            patience_from: Instant::START,
            held_until: Instant::START,
            import_failed: false,
            deaths: 0,
            expected: 0,
            refill_at: Instant::START,
            demand_timer: None,
            switch_timer: None,
        }
    }

    /// Requests an instance takes at once.
    pub(crate) fn slots(&self) -> usize {
        self.limits.concurrency.max(1) as usize
    }

    /// Instances kept ready even when nothing arrives.
    pub(crate) fn least(&self) -> usize {
        let expected = self.expected.min(self.limits.max_instances);
        self.limits.min_instances.max(expected) as usize
    }

    /// Instances that count against `max_instances`.
    pub(crate) fn live(&self) -> usize {
        self.members.len() + self.starting
    }

    /// Returns whether another instance is allowed.
    pub(crate) fn below_max(&self) -> bool {
        self.live() < self.limits.max_instances as usize
    }

    /// Returns whether there are more instances than allowed: new code came with an instance of its
    /// own.
    pub(crate) fn over_max(&self) -> bool {
        self.live() > self.limits.max_instances as usize
    }

    /// Members that are running code: not importing, not paused, not being resumed.
    pub(crate) fn serving(&self) -> usize {
        self.members.len() - self.assigning - self.waking - self.paused.len()
    }

    /// Instances, there or on their way, that are not paused.
    pub(crate) fn unpaused(&self) -> usize {
        self.live() - self.paused.len()
    }

    /// Waiting requests that no import or resume under way will serve.
    pub(crate) fn unserved(&self) -> usize {
        self.queue
            .len()
            .saturating_sub((self.assigning + self.waking) * self.slots())
    }

    /// Waiting requests that nothing under way will serve.
    pub(crate) fn uncovered(&self) -> usize {
        self.unserved().saturating_sub(self.starting * self.slots())
    }

    /// Sets the bounds and what follows from them; gives the old ones.
    pub(crate) fn set_limits(&mut self, limits: FunctionLimits, now: Instant) -> FunctionLimits {
        TokenBucket::update(&mut self.bucket, request_rate(&limits), now);
        TokenBucket::update(&mut self.starts, start_rate(&limits), now);
        std::mem::replace(&mut self.limits, limits)
    }

    /// Returns the maximum wait of a request, given the time of a start in microseconds.
    pub(crate) fn patience(&self, start_micros: u64) -> Duration {
        let starts = start_micros.saturating_mul(u64::from(self.limits.queue_starts)) / 100;
        self.limits.queue_timeout.max(Duration::from_micros(starts))
    }

    /// Waiters that may be there: the queue's, and with [`Excess::Throttle`] one for every slot
    /// that may yet be started, of which the node has room for `room` instances.
    pub(crate) fn waiters_allowed(&mut self, room: usize, now: Instant) -> usize {
        let queue = self.limits.queue as usize;
        if self.limits.excess == Excess::Unavailable {
            return queue;
        }
        let below = (self.limits.max_instances as usize).saturating_sub(self.live());
        let rate = self.starts.as_mut().map(|starts| starts.tokens(now));
        let starts = below.min(room).min(rate.unwrap_or(usize::MAX));
        queue + starts * self.slots()
    }

    /// Expected wait of the waiter at `position` (from one) for busy instances, in microseconds;
    /// none when nothing is known or nothing runs.
    ///
    /// `n` busy slots with mean service time `s` end one request every `s / n`.
    pub(crate) fn expected_wait(&self, position: usize) -> Option<u64> {
        let slots = (self.serving() * self.slots()) as u64;
        if slots == 0 {
            return None;
        }
        Some(self.service.micros()?.saturating_mul(position as u64) / slots)
    }

    /// Returns whether a request for the function is likely soon.
    pub(crate) fn recently_used(&self, now: Instant) -> bool {
        self.last_used.is_some_and(|at| now.since(at) <= RECENT) || self.serving() > self.free.len()
    }

    /// Returns whether requests are refused because the last import failed and nothing else serves.
    pub(crate) fn import_hold(&self, now: Instant) -> bool {
        self.import_failed && self.held_until > now && self.members.is_empty()
    }

    /// Notes that an instance ended before its first answer: the next one waits a little, and so
    /// does a refill of `min_instances`.
    pub(crate) fn instance_failed(&mut self, hold: Duration, import_failed: bool, now: Instant) {
        self.deaths = self.deaths.saturating_add(1);
        self.import_failed = import_failed;
        self.held_until = now + hold;
        self.refill_at = now + refill_backoff(self.deaths);
    }

    /// Notes that an idle instance died before it served anybody: `min_instances` wait.
    pub(crate) fn kept_died(&mut self, now: Instant) {
        self.deaths = self.deaths.saturating_add(1);
        self.refill_at = now + refill_backoff(self.deaths);
    }

    /// Returns whether instances die so often at import that waiting for one is of no use.
    pub(crate) fn hopeless(&self, now: Instant) -> bool {
        self.deaths >= MAX_CONSECUTIVE_FAILURES && self.held_until > now
    }

    /// Puts a member last in `free`, as the most recently used.
    pub(crate) fn push_free(&mut self, id: InstanceId) {
        if self.free.last() != Some(&id) {
            remove(&mut self.free, id);
            self.free.push(id);
        }
    }

    /// Takes a member out of those with room.
    pub(crate) fn remove_free(&mut self, id: InstanceId) {
        remove(&mut self.free, id);
    }

    /// Takes a member out of those paused.
    pub(crate) fn remove_paused(&mut self, id: InstanceId) {
        remove(&mut self.paused, id);
    }
}

fn request_rate(limits: &FunctionLimits) -> Option<FillRate> {
    let rate = |rps| FillRate::per_second(rps, limits.burst, limits.over_rate);
    limits.rps.map(rate)
}

fn start_rate(limits: &FunctionLimits) -> Option<FillRate> {
    limits.start_rate.map(FillRate::per_ten_seconds)
}

/// Removes from the end backwards: what is looked for was nearly always used last.
pub(crate) fn remove(list: &mut Vec<InstanceId>, id: InstanceId) {
    if let Some(at) = list.iter().rposition(|&other| other == id) {
        list.remove(at);
    }
}
