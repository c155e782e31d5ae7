//! Looking into the queue, and putting a hand in: beside a running fnlocal, or without one.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::Queue;
use crate::clock::Clock;
use crate::job::{Job, JobId, JobMeta};
use crate::store::{Changed, QueueChange, QueueStore, QueueStoreError, StoreSnapshot};

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// The job is to run, now or later.
    Waiting,
    /// The job runs.
    Running,
    /// The job is a dead letter.
    Dead,
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedJob {
    /// The state.
    pub state: JobState,
    /// All but its body.
    pub job: JobMeta,
    /// A run is going on and has no such function: the job waits for it to come back, until it is
    /// too old.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// A selection of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// These; all when none.
    pub ids: Vec<JobId>,
    /// Of this function only.
    pub function: Option<String>,
    /// Those that were given up only.
    pub dead: bool,
    /// Those accepted after this one only: where the next page of a list begins.
    pub after: Option<JobId>,
}

/// The maximum number of jobs in one page of a list.
pub const MAX_LISTED: usize = 1000;
/// The maximum number of bytes of one page's texts. A single job may have more.
const MAX_LISTED_BYTES: usize = 1 << 20;

impl Selection {
    fn has(&self, ids: &BTreeSet<JobId>, head: &JobMeta) -> bool {
        let of = self.function.as_ref();
        (ids.is_empty() || ids.contains(&head.id))
            && of.is_none_or(|function| *function == head.function)
    }

    /// Hands out those of a snapshot, for as long as `each` returns true: first those that are to
    /// run, then the dead, the oldest of each first. None of them runs as far as a file knows.
    fn each(
        &self,
        snapshot: &StoreSnapshot,
        mut each: impl FnMut(ListedJob) -> bool,
    ) -> Result<(), QueueStoreError> {
        let ids: BTreeSet<JobId> = self.ids.iter().copied().collect();
        let mut take = |state, job: JobMeta| {
            let gone = false;
            !self.has(&ids, &job) || each(ListedJob { state, job, gone })
        };
        if !self.dead {
            snapshot.alive(self.after, |job| take(JobState::Waiting, job))?;
        }
        snapshot.dead(self.after, |job| take(JobState::Dead, job))
    }

    /// One page of them, the oldest first.
    fn page(&self, snapshot: &StoreSnapshot) -> Result<Vec<ListedJob>, QueueStoreError> {
        let mut page = JobPage::default();
        self.each(snapshot, |one| page.take(one))?;
        Ok(page.jobs.into_values().collect())
    }

    /// The numbers of all of them, and whether they are dead.
    fn numbers(
        &self,
        snapshot: &StoreSnapshot,
    ) -> Result<BTreeMap<JobId, JobState>, QueueStoreError> {
        let mut all = BTreeMap::new();
        self.each(snapshot, |one| {
            all.insert(one.job.id, one.state);
            true
        })?;
        Ok(all)
    }
}

/// The oldest jobs that fit on a page.
#[derive(Default)]
struct JobPage {
    jobs: BTreeMap<JobId, ListedJob>,
    bytes: usize,
    /// The oldest that did not fit: no younger one is on this page.
    cut: Option<JobId>,
}

impl JobPage {
    /// Takes a job if it is among the oldest; returns false if none after it can be.
    fn take(&mut self, one: ListedJob) -> bool {
        let id = one.job.id;
        if self.cut.is_some_and(|cut| id > cut) {
            return false;
        }
        self.bytes += bytes(&one.job);
        self.jobs.insert(id, one);
        while self.jobs.len() > MAX_LISTED || (self.bytes > MAX_LISTED_BYTES && self.jobs.len() > 1)
        {
            let Some((last, out)) = self.jobs.pop_last() else {
                break;
            };
            self.bytes -= bytes(&out.job);
            self.cut = Some(last);
        }
        self.cut != Some(id)
    }
}

fn bytes(head: &JobMeta) -> usize {
    let error = head.error.as_ref().map_or(0, String::len);
    usize::try_from(head.bytes() - head.size).unwrap_or(usize::MAX) + error
}

impl Queue {
    pub(super) async fn list_page(
        &self,
        selection: Selection,
    ) -> Result<Vec<ListedJob>, QueueStoreError> {
        let reading = self.keeper.read(move |snapshot| selection.page(snapshot));
        let mut all = reading.await?;
        let line = self.line.borrow();
        for one in &mut all {
            if line.runs(one.job.id) {
                one.state = JobState::Running;
            }
        }
        Ok(all)
    }

    pub(super) async fn retry_whole(
        self: Rc<Self>,
        selection: Selection,
    ) -> Result<usize, QueueStoreError> {
        let mut done = 0;
        for (id, state) in self.numbers(selection).await? {
            let now = self.time.now_ms();
            match state {
                JobState::Running => continue,
                JobState::Waiting => self.line.borrow_mut().put_back(id, now, now),
                JobState::Dead => {
                    let revived = self.keeper.change(QueueChange::Revive(id)).await?;
                    let Changed::Revived(Some(head)) = revived else {
                        continue;
                    };
                    self.dead.update(|count| count - 1);
                    self.line.borrow_mut().add(&head, now);
                }
            }
            done += 1;
        }
        self.work.notify_one();
        Ok(done)
    }

    pub(super) async fn purge_whole(
        self: Rc<Self>,
        selection: Selection,
    ) -> Result<usize, QueueStoreError> {
        let mut all = self.numbers(selection).await?;
        // From here on nothing begins to run before the line forgets them.
        all.retain(|id, _| !self.line.borrow().runs(*id));
        let dead = all
            .values()
            .filter(|state| **state == JobState::Dead)
            .count();
        let ids: Vec<JobId> = all.into_keys().collect();
        for &id in &ids {
            self.line.borrow_mut().remove(id);
        }
        let purged = match self.keeper.change(QueueChange::Purge(ids.clone())).await {
            Ok(purged) => purged,
            Err(error) => {
                tokio::task::spawn_local(self.stay(ids));
                return Err(error);
            }
        };
        self.dead.update(|count| count.saturating_sub(dead));
        self.work.notify_one();
        let Changed::Purged(gone) = purged else {
            return Err(QueueStoreError::Closed);
        };
        Ok(gone)
    }

    /// Puts jobs back into line that could not be removed from the disk.
    async fn stay(self: Rc<Self>, ids: Vec<JobId>) {
        self.keeper.well().await;
        let reading = self.keeper.read(move |snapshot| {
            let heads = ids.into_iter().map(|id| snapshot.head(id));
            heads.collect::<Result<Vec<_>, _>>()
        });
        let heads = reading.await.unwrap_or_default().into_iter().flatten();
        let now = self.time.now_ms();
        for head in heads.filter(|head| head.died_ms.is_none()) {
            self.line.borrow_mut().add(&head, now);
        }
        self.work.notify_one();
    }

    async fn numbers(
        &self,
        selection: Selection,
    ) -> Result<BTreeMap<JobId, JobState>, QueueStoreError> {
        let reading = self
            .keeper
            .read(move |snapshot| selection.numbers(snapshot));
        let mut all = reading.await?;
        let line = self.line.borrow();
        for (id, state) in &mut all {
            if line.runs(*id) {
                *state = JobState::Running;
            }
        }
        Ok(all)
    }
}

/// A queue's file that nobody else has.
pub struct Offline {
    store: QueueStore,
    clock: Clock,
}

impl Offline {
    /// Opens the file of a folder.
    ///
    /// # Errors
    /// [`QueueStoreError::Taken`] when a running fnlocal has it.
    pub fn open(folder: &std::path::Path, clock: Clock) -> Result<Self, QueueStoreError> {
        let store = QueueStore::open(folder)?;
        let clock = clock.going_on(store.snapshot()?.least_time()?);
        Ok(Self { store, clock })
    }

    /// As [`JobQueue::list`](crate::job_queue::JobQueue::list).
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn list(&self, selection: &Selection) -> Result<Vec<ListedJob>, QueueStoreError> {
        selection.page(&self.store.snapshot()?)
    }

    /// As [`JobQueue::show`](crate::job_queue::JobQueue::show).
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn show(&self, id: JobId) -> Result<Option<Job>, QueueStoreError> {
        self.store.snapshot()?.job(id)
    }

    /// As [`JobQueue::retry`](crate::job_queue::JobQueue::retry): they run when a fnlocal is there again.
    ///
    /// # Errors
    /// [`QueueStoreError`]; some may have been done before it.
    pub fn retry(&self, selection: &Selection) -> Result<usize, QueueStoreError> {
        let now = self.clock.now_ms();
        let mut selection = selection.clone();
        let mut count = 0;
        loop {
            let page = self.list(&selection)?;
            let Some(last) = page.last() else {
                return Ok(count);
            };
            selection.after = Some(last.job.id);
            count += page.len();
            let change = |one: ListedJob| match one.state {
                JobState::Dead => QueueChange::Revive(one.job.id),
                JobState::Waiting | JobState::Running => QueueChange::Rewrite(JobMeta {
                    due_ms: now,
                    ..one.job
                }),
            };
            self.store
                .commit(page.into_iter().map(change).collect(), now)?;
        }
    }

    /// As [`JobQueue::purge`](crate::job_queue::JobQueue::purge).
    ///
    /// # Errors
    /// [`QueueStoreError`]; then nothing was done.
    pub fn purge(&self, selection: &Selection) -> Result<usize, QueueStoreError> {
        let all = selection.numbers(&self.store.snapshot()?)?;
        let ids: Vec<JobId> = all.into_keys().collect();
        let count = ids.len();
        self.store
            .commit(vec![QueueChange::Purge(ids)], self.clock.now_ms())?;
        self.store.give_back()?;
        Ok(count)
    }
}
