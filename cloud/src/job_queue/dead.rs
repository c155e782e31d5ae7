//! Dead letters: SQS has no list of them, so they are received, looked at, and made visible again.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::types::Message;
use fnlocal_triggers::job::{Job, JobId};
use fnlocal_triggers::queue::{JobState, ListedJob, MAX_LISTED, Selection};
use fnlocal_triggers::store::QueueStoreError;

use super::SqsJobQueue;
use super::client::{MAX_BATCH, QueueSide};
use super::message::{Outgoing, dead_job, group_of};

/// The time for which dead letters are hidden while they are looked at.
const LOOK_TIME: Duration = Duration::from_secs(60);

/// The maximum number of dead letters that are looked at.
const MAX_DEAD_SEEN: usize = 10_000;

/// A dead letter that is looked at.
struct SeenLetter {
    job: Job,
    message: Message,
}

impl SqsJobQueue {
    /// Lists dead letters. Jobs that wait are counted only.
    pub(super) async fn list_dead(
        &self,
        selection: Selection,
    ) -> Result<Vec<ListedJob>, QueueStoreError> {
        let seen = self.look().await?;
        self.show_again(&seen).await;
        let mut listed: BTreeMap<JobId, ListedJob> = BTreeMap::new();
        for letter in seen {
            let job = letter.job.head;
            if chosen(&selection, job.id, &job.function) {
                let state = JobState::Dead;
                let gone = false;
                listed.insert(job.id, ListedJob { state, job, gone });
            }
        }
        Ok(listed.into_values().take(MAX_LISTED).collect())
    }

    pub(super) async fn show_dead(&self, id: JobId) -> Result<Option<Job>, QueueStoreError> {
        let mut seen = self.look().await?;
        self.show_again(&seen).await;
        let found = seen.iter().position(|letter| letter.job.head.id == id);
        Ok(found.map(|at| seen.swap_remove(at).job))
    }

    /// Puts dead letters back into the queue, as if they were new.
    pub(super) async fn retry_dead(&self, selection: Selection) -> Result<usize, QueueStoreError> {
        let (chosen, others) = self.chosen(&selection).await?;
        self.show_again(&others).await;
        let mut count = 0;
        for letter in chosen {
            let head = &letter.job.head;
            let group = match &head.order {
                Some(order) => format!("order {order}"),
                None => format!("none {}", rand::random::<u64>()),
            };
            let again = Outgoing {
                body: letter.message.body().unwrap_or_default().to_owned(),
                group: group_of(&head.function, &group),
                deduplication: format!("retry-{:016x}", rand::random::<u64>()),
            };
            self.calls.send(&again).await?;
            self.delete_letter(&letter).await?;
            count += 1;
        }
        Ok(count)
    }

    /// Removes dead letters.
    pub(super) async fn purge_dead(&self, selection: Selection) -> Result<usize, QueueStoreError> {
        let (chosen, others) = self.chosen(&selection).await?;
        self.show_again(&others).await;
        for letter in &chosen {
            self.delete_letter(letter).await?;
        }
        Ok(chosen.len())
    }

    async fn chosen(
        &self,
        selection: &Selection,
    ) -> Result<(Vec<SeenLetter>, Vec<SeenLetter>), QueueStoreError> {
        let seen = self.look().await?;
        Ok(seen.into_iter().partition(|letter| {
            let head = &letter.job.head;
            chosen(selection, head.id, &head.function)
        }))
    }

    /// Receives the dead letters, the first of them if there are very many.
    async fn look(&self) -> Result<Vec<SeenLetter>, QueueStoreError> {
        let mut seen = Vec::new();
        while seen.len() < MAX_DEAD_SEEN {
            let received = self
                .calls
                .receive(QueueSide::Dead, MAX_BATCH, LOOK_TIME)
                .await?;
            if received.is_empty() {
                break;
            }
            seen.extend(received.into_iter().map(|message| SeenLetter {
                job: dead_job(&message),
                message,
            }));
        }
        Ok(seen)
    }

    async fn show_again(&self, seen: &[SeenLetter]) {
        for letter in seen {
            let receipt = letter.message.receipt_handle().unwrap_or_default();
            // A letter that stays hidden becomes visible by itself, only later.
            let _late = self
                .calls
                .hide_in(QueueSide::Dead, receipt, Duration::ZERO)
                .await;
        }
    }

    async fn delete_letter(&self, letter: &SeenLetter) -> Result<(), QueueStoreError> {
        let receipt = letter.message.receipt_handle().unwrap_or_default();
        self.calls.delete_in(QueueSide::Dead, receipt).await
    }
}

fn chosen(selection: &Selection, id: JobId, function: &str) -> bool {
    let of = selection.function.as_deref();
    (selection.ids.is_empty() || selection.ids.contains(&id))
        && of.is_none_or(|of| of == function)
        && selection.after.is_none_or(|after| id > after)
}
