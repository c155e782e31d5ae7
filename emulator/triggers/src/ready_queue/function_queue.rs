//! The jobs of one function, and the stages a job goes through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::job::JobId;

#[derive(Debug)]
pub(super) struct QueueEntry {
    pub bytes: u64,
    pub function: Arc<str>,
    pub order: Option<Arc<str>>,
    pub accepted: u64,
    pub scheduled: bool,
    pub stage: EntryStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryStage {
    /// Until then.
    Waiting(u64),
    /// The job may run.
    Ready,
    /// The job may run, but an older one of its key has not ended.
    Behind,
    /// The job runs.
    Running,
    /// The job has run, and its result is being written.
    Ended,
}

/// The jobs of one function.
#[derive(Debug, Default)]
pub(super) struct FunctionQueue {
    pub ready: BTreeSet<JobId>,
    pub keys: BTreeMap<Arc<str>, OrderKeyJobs>,
    /// Those that do not run, by when they were accepted.
    pub ages: BTreeSet<(u64, JobId)>,
    pub all: usize,
    /// Those that wait for their time.
    pub waiting: usize,
    /// Those that run, or whose end is being written.
    pub active: usize,
    pub bytes: u64,
    pub running: usize,
    pub scheduled: usize,
    /// How old they may become while there is no such function: as the last that came says.
    pub max_age: u64,
}

/// The jobs of one order key.
#[derive(Debug, Default)]
pub(super) struct OrderKeyJobs {
    pub jobs: BTreeSet<JobId>,
    /// The one that is ready or runs.
    pub active: Option<JobId>,
}

/// Counts of a function's jobs. Each job is in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct JobCounts {
    /// Ready, or behind another of their key.
    pub ready: usize,
    /// Waiting for another attempt.
    pub waiting: usize,
    /// Running, or having run without that being on disk.
    pub running: usize,
}

impl QueueEntry {
    /// Moves a job of a lane to another stage.
    pub fn enter(&mut self, lane: &mut FunctionQueue, stage: EntryStage) {
        let before = std::mem::replace(&mut self.stage, stage);
        for (stage, is_new) in [(before, false), (stage, true)] {
            let count = match stage {
                EntryStage::Waiting(_) => &mut lane.waiting,
                EntryStage::Running | EntryStage::Ended => &mut lane.active,
                EntryStage::Ready | EntryStage::Behind => continue,
            };
            if is_new {
                *count += 1;
            } else {
                *count -= 1;
            }
        }
    }
}
