//! The messages this node has received: those that wait for room here, and those that run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::Message;
use fnlocal_core::trigger::AsyncPolicy;
use fnlocal_triggers::JobCounts;
use fnlocal_triggers::delivery::{Invoke, RunOutcome};
use fnlocal_triggers::job::Job;
use fnlocal_triggers::job_queue::{JobLease, LeasedJob};
use fnlocal_triggers::queue::millis;

use super::message::{Outgoing, group};

/// A message can be hidden for 12 hours in all: ChangeMessageVisibility, API reference of SQS.
const MAX_HIDDEN: Duration = Duration::from_secs(12 * 3600);
/// The maximum number of runs that have ended and that SQS does not know of: they would run again
/// if this node were killed.
const MAX_UNSETTLED: usize = 8;
/// The maximum number of messages whose receives without a run are remembered.
const MAX_UNRUN: usize = 10_000;

/// Returns the maximum number of receives of a job that may have `attempts` runs: some receives are
/// no attempt.
#[must_use]
pub fn max_receives(attempts: u32) -> u32 {
    attempts.saturating_mul(2).saturating_add(10)
}

/// A message that this node has received.
#[derive(Clone, Debug)]
pub(super) struct HeldMessage {
    pub receipt: Arc<str>,
    pub job: Job,
    id: String,
    body: Arc<str>,
    group: Arc<str>,
    received: Instant,
    stage: HeldStage,
    /// Why it is not to run any more. `None` if it is.
    over: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeldStage {
    /// The message waits for room on this node.
    Waiting,
    Running,
    /// Its run is over, which SQS does not know yet.
    Ended,
}

/// The messages this node has received.
#[derive(Debug, Default)]
pub(super) struct LeaseTable {
    last: u64,
    held: BTreeMap<u64, HeldMessage>,
    /// In the order in which they were received.
    waiting: VecDeque<u64>,
    /// How often messages were received here without a run, by their ids.
    unrun: BTreeMap<String, u32>,
    unrun_order: VecDeque<String>,
}

impl LeaseTable {
    /// Takes a message that was received.
    pub fn add(&mut self, message: &Message, mut job: Job) {
        let id = message.message_id().unwrap_or_default().to_owned();
        let unrun = self.unrun.get(&id).copied().unwrap_or_default();
        job.head.attempts = job.head.attempts.saturating_sub(unrun);
        self.last += 1;
        let held = HeldMessage {
            receipt: message.receipt_handle().unwrap_or_default().into(),
            job,
            id,
            body: message.body().unwrap_or_default().into(),
            group: group(message).into(),
            received: Instant::now(),
            stage: HeldStage::Waiting,
            over: None,
        };
        self.held.insert(self.last, held);
        self.waiting.push_back(self.last);
    }

    /// Takes the messages that may run now: of each group the oldest, as far as there is room.
    /// Those that cannot run any more are among them.
    pub fn take(&mut self, invoke: &dyn Invoke, now: u64) -> Vec<JobLease> {
        let ended = self
            .held
            .values()
            .filter(|one| one.stage == HeldStage::Ended);
        if ended.count() >= MAX_UNSETTLED {
            return Vec::new();
        }
        let busy = self
            .held
            .values()
            .filter(|one| one.stage != HeldStage::Waiting);
        let mut groups: BTreeSet<Arc<str>> = busy.map(|one| Arc::clone(&one.group)).collect();
        let mut running = BTreeMap::<Arc<str>, usize>::new();
        for held in self.held.values() {
            let function = Arc::from(held.job.head.function.as_str());
            *running.entry(function).or_default() += usize::from(held.stage == HeldStage::Running);
        }
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        for token in std::mem::take(&mut self.waiting) {
            let Some(held) = self.held.get_mut(&token) else {
                continue;
            };
            let function: Arc<str> = Arc::from(held.job.head.function.as_str());
            let is_first = groups.insert(Arc::clone(&held.group));
            let policy = invoke.policy(&function);
            held.over = held.why_over(policy.as_ref(), now);
            let count = running.entry(Arc::clone(&function)).or_default();
            let may_run = held.over.is_some() || invoke.admissible(&function, *count) > 0;
            if !is_first || !may_run {
                left.push_back(token);
                continue;
            }
            *count += 1;
            held.stage = HeldStage::Running;
            taken.push(JobLease {
                id: held.job.head.id,
                function,
                token,
            });
        }
        self.waiting = left;
        taken
    }

    pub fn get(&self, token: u64) -> Option<HeldMessage> {
        self.held.get(&token).cloned()
    }

    pub fn open(&self, token: u64) -> LeasedJob {
        let Some(held) = self.held.get(&token) else {
            return LeasedJob::Gone;
        };
        match &held.over {
            Some(why) => LeasedJob::Unusable(Box::new(held.job.head.clone()), why.clone()),
            None => LeasedJob::Ready(Box::new(held.job.clone())),
        }
    }

    /// A run is over: its place is free.
    pub fn ran(&mut self, token: u64, outcome: &RunOutcome) {
        let Some(held) = self.held.get_mut(&token) else {
            return;
        };
        held.stage = HeldStage::Ended;
        let id = held.id.clone();
        if let RunOutcome::NotRun { .. } = outcome {
            self.was_unrun(id);
        }
    }

    /// Ends a lease. If its message comes again, those of its group that wait here must come after
    /// it: they are taken out, and returned.
    pub fn end(&mut self, token: u64, comes_again: bool) -> Vec<HeldMessage> {
        let Some(ended) = self.held.remove(&token) else {
            return Vec::new();
        };
        if !comes_again {
            return Vec::new();
        }
        let group = ended.group;
        self.take_out(|held| held.group == group)
    }

    /// Takes the messages out whose functions have no room.
    pub fn take_without_room(&mut self, invoke: &dyn Invoke) -> Vec<HeldMessage> {
        let waiting = self.waiting.iter().filter_map(|token| self.held.get(token));
        let functions: BTreeSet<&str> = waiting
            .map(|held| held.job.head.function.as_str())
            .collect();
        let full = functions
            .into_iter()
            .filter(|function| invoke.admissible(function, self.running_of(function)) == 0);
        let full: BTreeSet<String> = full.map(str::to_owned).collect();
        self.take_out(|held| full.contains(&held.job.head.function))
    }

    /// Takes all messages out that wait.
    pub fn take_waiting(&mut self) -> Vec<HeldMessage> {
        self.take_out(|_| true)
    }

    fn take_out(&mut self, which: impl Fn(&HeldMessage) -> bool) -> Vec<HeldMessage> {
        let (mut out, mut left) = (Vec::new(), VecDeque::new());
        for token in std::mem::take(&mut self.waiting) {
            match self.held.get(&token) {
                Some(held) if which(held) => out.extend(self.held.remove(&token)),
                Some(_) => left.push_back(token),
                None => {}
            }
        }
        self.waiting = left;
        for held in &out {
            self.was_unrun(held.id.clone());
        }
        out
    }

    /// Returns the receipts of messages that wait for room.
    pub fn waiting_receipts(&self) -> Vec<Arc<str>> {
        let waiting = self.waiting.iter().filter_map(|token| self.held.get(token));
        waiting.map(|held| Arc::clone(&held.receipt)).collect()
    }

    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns how many jobs of a function run.
    pub fn running_of(&self, function: &str) -> usize {
        let all = self.held.values();
        let running = all
            .filter(|held| held.stage == HeldStage::Running && held.job.head.function == function);
        running.count()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Counts by function.
    pub fn counts(&self) -> BTreeMap<Arc<str>, JobCounts> {
        let mut counts = BTreeMap::<Arc<str>, JobCounts>::new();
        for held in self.held.values() {
            let function = Arc::from(held.job.head.function.as_str());
            let count = counts.entry(function).or_default();
            match held.stage {
                HeldStage::Waiting => count.ready += 1,
                HeldStage::Running | HeldStage::Ended => count.running += 1,
            }
        }
        counts
    }

    fn was_unrun(&mut self, id: String) {
        match self.unrun.get_mut(&id) {
            Some(count) => *count += 1,
            None => {
                self.unrun.insert(id.clone(), 1);
                self.unrun_order.push_back(id);
            }
        }
        if self.unrun_order.len() > MAX_UNRUN
            && let Some(oldest) = self.unrun_order.pop_front()
        {
            self.unrun.remove(&oldest);
        }
    }
}

impl HeldMessage {
    /// Returns why a message is not to run any more.
    fn why_over(&self, policy: Option<&AsyncPolicy>, now: u64) -> Option<String> {
        let head = &self.job.head;
        let max_age = policy.map(|policy| millis(policy.max_age));
        let max_age = max_age.or(head.max_age_ms).unwrap_or(u64::MAX);
        if now >= head.accepted_ms.saturating_add(max_age) {
            let gone = match policy {
                Some(_) => String::new(),
                None => format!("there was no function named `{}`, and ", head.function),
            };
            return Some(format!("{gone}it became older than `max_age` allows"));
        }
        // Receives that were no attempt, of nodes that ended, count here, too.
        let receives = policy.map_or(u32::MAX, |policy| max_receives(policy.attempts));
        (head.attempts >= receives).then(|| {
            format!("{receives} runs of it did not end: nodes ended or were cut off meanwhile")
        })
    }

    /// Returns a time that the message may be hidden for, `time` if that is possible.
    pub fn longest(&self, time: Duration) -> Duration {
        // SQS counts from a moment that is a little earlier.
        let left = MAX_HIDDEN.saturating_sub(self.received.elapsed() + Duration::from_secs(10));
        time.min(left)
    }

    /// Returns the message as a dead letter.
    pub fn dead_letter(&self) -> Outgoing {
        Outgoing {
            body: self.body.to_string(),
            group: self.group.to_string(),
            deduplication: format!("dead-{}", self.id),
        }
    }
}
