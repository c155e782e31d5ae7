//! The order of jobs: the contents of the queue on disk, as far as deciding needs them.
//!
//! Pure: the time, in milliseconds since 1970, comes from outside, and every deadline can be
//! asked for. A job with an order key is next only when it is the oldest of its key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fnlocal_core::trigger::AsyncPolicy;

use crate::job::{JobId, JobMeta, Trigger};
use crate::queue::millis;

mod function_queue;

pub use function_queue::JobCounts;
use function_queue::{EntryStage, FunctionQueue, QueueEntry};

/// Jobs that wait, are ready, or run.
#[derive(Debug, Default)]
pub struct ReadyQueue {
    jobs: BTreeMap<JobId, QueueEntry>,
    lanes: BTreeMap<Arc<str>, FunctionQueue>,
    /// Those that wait for their time.
    due: BTreeSet<(u64, JobId)>,
    /// Bytes of all of them on disk.
    bytes: u64,
}

impl ReadyQueue {
    /// A job that was accepted, or found on disk.
    pub fn add(&mut self, head: &JobMeta, now: u64) {
        if self.jobs.contains_key(&head.id) {
            return;
        }
        let function: Arc<str> = Arc::from(head.function.as_str());
        let order: Option<Arc<str>> = head.order.as_deref().map(Arc::from);
        let scheduled = head.trigger == Trigger::Schedule;
        let lane = self.lanes.entry(Arc::clone(&function)).or_default();
        let bytes = head.bytes();
        lane.all += 1;
        lane.bytes += bytes;
        self.bytes += bytes;
        lane.max_age = head.max_age_ms.unwrap_or_else(usual_max_age);
        lane.scheduled += usize::from(scheduled);
        if let Some(order) = &order {
            let key = lane.keys.entry(Arc::clone(order)).or_default();
            key.jobs.insert(head.id);
        }
        lane.ages.insert((head.accepted_ms, head.id));
        let entry = QueueEntry {
            bytes,
            function,
            order,
            accepted: head.accepted_ms,
            scheduled,
            stage: EntryStage::Behind,
        };
        self.jobs.insert(head.id, entry);
        self.wait(head.id, head.due_ms, now);
    }

    /// The next job of a function, which runs from here on.
    pub fn take(&mut self, function: &str) -> Option<JobId> {
        let lane = self.lanes.get_mut(function)?;
        let id = lane.ready.pop_first()?;
        lane.running += 1;
        if let Some(entry) = self.jobs.get_mut(&id) {
            lane.ages.remove(&(entry.accepted, id));
            entry.enter(lane, EntryStage::Running);
        }
        Some(id)
    }

    /// A job's run has ended: its place is free, but what became of it is not on disk yet.
    pub fn ended(&mut self, id: JobId) {
        if let Some(entry) = self.jobs.get_mut(&id)
            && entry.stage == EntryStage::Running
            && let Some(lane) = self.lanes.get_mut(&entry.function)
        {
            lane.running -= 1;
            entry.enter(lane, EntryStage::Ended);
        }
    }

    /// A job that ran is to run again, not before `due`.
    pub fn put_back(&mut self, id: JobId, due: u64, now: u64) {
        if !self.leave_stage(id) {
            return;
        }
        if let Some(entry) = self.jobs.get(&id)
            && let Some(lane) = self.lanes.get_mut(&entry.function)
        {
            lane.ages.insert((entry.accepted, id));
        }
        self.wait(id, due, now);
        self.turn(id);
    }

    /// A job has ended, in whatever way.
    pub fn remove(&mut self, id: JobId) {
        if !self.leave_stage(id) {
            return;
        }
        let Some(entry) = self.jobs.remove(&id) else {
            return;
        };
        self.bytes -= entry.bytes;
        let Some(lane) = self.lanes.get_mut(&entry.function) else {
            return;
        };
        lane.all -= 1;
        lane.bytes -= entry.bytes;
        lane.ages.remove(&(entry.accepted, id));
        lane.scheduled -= usize::from(entry.scheduled);
        if let Some(order) = &entry.order
            && let Some(key) = lane.keys.get_mut(order)
        {
            key.jobs.remove(&id);
            if key.jobs.is_empty() {
                lane.keys.remove(order);
            }
        }
        if lane.all == 0 {
            self.lanes.remove(&entry.function);
        } else if let Some(order) = &entry.order {
            self.turn_of(&entry.function, order);
        }
    }

    /// Makes ready what has come due.
    pub fn wake(&mut self, now: u64) {
        while let Some(&(due, id)) = self.due.first() {
            if due > now {
                break;
            }
            self.due.pop_first();
            self.come_due(id);
        }
    }

    /// When the next job comes due.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Jobs that do not run and have become older than their function's jobs may, which is in
    /// milliseconds; where `max_age` knows no such function, than they were accepted for.
    pub fn too_old(&self, now: u64, max_age: impl Fn(&str) -> Option<u64>) -> Vec<JobId> {
        let mut old = Vec::new();
        for (function, lane) in &self.lanes {
            let most = max_age(function).unwrap_or(lane.max_age);
            let over = |(accepted, _): &&(u64, JobId)| accepted.saturating_add(most) <= now;
            old.extend(lane.ages.iter().take_while(over).map(|(_, id)| *id));
        }
        old
    }

    /// When the next job becomes too old.
    pub fn next_too_old(&self, max_age: impl Fn(&str) -> Option<u64>) -> Option<u64> {
        let lanes = self.lanes.iter();
        let next = lanes.filter_map(|(function, lane)| {
            let (accepted, _) = lane.ages.first()?;
            let most = max_age(function).unwrap_or(lane.max_age);
            Some(accepted.saturating_add(most))
        });
        next.min()
    }

    /// Functions with a job that may run.
    #[must_use]
    pub fn ready(&self) -> Vec<Arc<str>> {
        let lanes = self.lanes.iter();
        let ready = lanes.filter(|(_, lane)| !lane.ready.is_empty());
        ready.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Returns whether a scheduled run of a function has not ended.
    #[must_use]
    pub fn has_scheduled(&self, function: &str) -> bool {
        self.lanes
            .get(function)
            .is_some_and(|lane| lane.scheduled > 0)
    }

    /// Returns whether a job runs, or its result is being written.
    #[must_use]
    pub fn runs(&self, id: JobId) -> bool {
        let entry = self.jobs.get(&id);
        entry.is_some_and(|entry| matches!(entry.stage, EntryStage::Running | EntryStage::Ended))
    }

    /// All jobs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Jobs of a function.
    #[must_use]
    pub fn len_of(&self, function: &str) -> usize {
        self.lanes.get(function).map_or(0, |lane| lane.all)
    }

    /// Returns about how many bytes all jobs take on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns about how many bytes the jobs of a function take on disk.
    #[must_use]
    pub fn bytes_of(&self, function: &str) -> u64 {
        self.lanes.get(function).map_or(0, |lane| lane.bytes)
    }

    /// Jobs of a function that run.
    #[must_use]
    pub fn running_of(&self, function: &str) -> usize {
        self.lanes.get(function).map_or(0, |lane| lane.running)
    }

    /// Counts by function.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Arc<str>, JobCounts> {
        let lanes = self.lanes.iter();
        let counts = lanes.map(|(function, lane)| {
            let counts = JobCounts {
                ready: lane.all - lane.waiting - lane.active,
                waiting: lane.waiting,
                running: lane.active,
            };
            (Arc::clone(function), counts)
        });
        counts.collect()
    }

    /// Takes a job out of where it stands; false if there is none.
    fn leave_stage(&mut self, id: JobId) -> bool {
        let Some(entry) = self.jobs.get_mut(&id) else {
            return false;
        };
        let stage = entry.stage;
        if let EntryStage::Waiting(due) = stage {
            self.due.remove(&(due, id));
        }
        let Some(lane) = self.lanes.get_mut(&entry.function) else {
            return true;
        };
        entry.enter(lane, EntryStage::Behind);
        lane.ready.remove(&id);
        lane.running -= usize::from(stage == EntryStage::Running);
        if let Some(order) = &entry.order
            && let Some(key) = lane.keys.get_mut(order)
            && key.active == Some(id)
        {
            key.active = None;
        }
        true
    }

    fn wait(&mut self, id: JobId, due: u64, now: u64) {
        if due <= now {
            return self.come_due(id);
        }
        if let Some(entry) = self.jobs.get_mut(&id)
            && let Some(lane) = self.lanes.get_mut(&entry.function)
        {
            entry.enter(lane, EntryStage::Waiting(due));
            self.due.insert((due, id));
        }
    }

    /// Its time has come; its turn may not have.
    fn come_due(&mut self, id: JobId) {
        let Some(entry) = self.jobs.get_mut(&id) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&entry.function) else {
            return;
        };
        if entry.order.is_some() {
            entry.enter(lane, EntryStage::Behind);
            return self.turn(id);
        }
        entry.enter(lane, EntryStage::Ready);
        lane.ready.insert(id);
    }

    /// Whose turn it is among those of a job's key.
    fn turn(&mut self, id: JobId) {
        let Some(entry) = self.jobs.get(&id) else {
            return;
        };
        if let Some(order) = entry.order.clone() {
            let function = Arc::clone(&entry.function);
            self.turn_of(&function, &order);
        }
    }

    /// The oldest of a key is next, unless one runs. One that was given up and comes again is older
    /// than those that were accepted since, and goes before them.
    fn turn_of(&mut self, function: &str, order: &str) {
        let Some(lane) = self.lanes.get_mut(function) else {
            return;
        };
        let Some(key) = lane.keys.get_mut(order) else {
            return;
        };
        let oldest = key.jobs.first().copied();
        if let Some(active) = key.active {
            if oldest == Some(active) || !lane.ready.remove(&active) {
                return;
            }
            key.active = None;
            if let Some(entry) = self.jobs.get_mut(&active) {
                entry.stage = EntryStage::Behind;
            }
        }
        if let Some(oldest) = oldest
            && let Some(entry) = self.jobs.get_mut(&oldest)
            && entry.stage == EntryStage::Behind
        {
            key.active = Some(oldest);
            lane.ready.insert(oldest);
            entry.stage = EntryStage::Ready;
        }
    }
}

/// For jobs of a file that does not say.
fn usual_max_age() -> u64 {
    millis(AsyncPolicy::default().max_age)
}

#[cfg(test)]
mod tests;
