//! Receiving: room first, then as many messages as there is room for.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use aws_sdk_sqs::types::Message;
use fnlocal_api::UserError as _;
use fnlocal_triggers::delivery::Invoke;
use fnlocal_triggers::job::Job;
use fnlocal_triggers::job_queue::{JobLease, JobQueue as _};
use fnlocal_triggers::store::QueueStoreError;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};

use super::SqsJobQueue;
use super::client::{MAX_BATCH, QueueSide};
use super::leases::HeldMessage;
use super::message::{Content, Outgoing, decode, first_received_ms, group, receives};

/// A receive that is under way.
pub(super) struct Receiving(JoinHandle<Result<Vec<Message>, QueueStoreError>>);

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The maximum number of messages that wait on this node, for room or for one of their group.
const MAX_HELD: usize = 100;
/// The time for which messages of such functions are hidden when there are more.
const NO_ROOM_PAUSE: Duration = Duration::from_secs(10);
/// The first pause after a receive failed; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// The longest sleep between two looks: a job may become too old.
const MAX_SLEEP: Duration = Duration::from_secs(60);

impl SqsJobQueue {
    /// Waits for jobs that may run.
    pub(super) async fn lease_received(
        &self,
        invoke: &dyn Invoke,
        freed: &Notify,
    ) -> Vec<JobLease> {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.closing.get() {
                self.give_back_held().await;
            }
            let ready = self.leases.borrow_mut().take(invoke, self.now_ms());
            if !ready.is_empty() {
                return ready;
            }
            if self.leases.borrow().waiting_len() >= MAX_HELD && self.room(invoke) > 0 {
                // Functions with room must not wait behind those without.
                let held = self.leases.borrow_mut().take_without_room(invoke);
                self.give_back_after(held, NO_ROOM_PAUSE).await;
            }
            self.begin_receive(invoke);
            let received = tokio::select! {
                received = self.received() => received,
                () = freed.notified() => continue,
                () = self.over.notified() => continue,
                () = tokio::time::sleep((self.lease_time / 3).min(MAX_SLEEP)) => {
                    self.extend_held(invoke).await;
                    continue;
                }
            };
            match received {
                Ok(messages) => {
                    pause = FIRST_PAUSE;
                    if self.fault.take().is_some() {
                        invoke.warn("the queue goes on".to_owned());
                    }
                    self.take_in(messages, invoke).await;
                }
                Err(error) => {
                    let why = error.report();
                    if self.fault.replace(Some(error.to_string().into())).is_none() {
                        invoke.warn(format!("the queue stands still: {why}"));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    /// Begins a receive, if none is under way and there is room.
    fn begin_receive(&self, invoke: &dyn Invoke) {
        if self.closing.get() || self.receiving.borrow().is_some() {
            return;
        }
        let (room, held) = (self.room(invoke), self.leases.borrow().waiting_len());
        if room == 0 || held >= MAX_HELD {
            return;
        }
        let (calls, time) = (self.calls.clone(), self.lease_time);
        let count = room.min(MAX_BATCH);
        let receiving =
            spawn_local(async move { calls.receive(QueueSide::Jobs, count, time).await });
        self.receiving.replace(Some(Receiving(receiving)));
    }

    /// Returns the result of the receive that is under way. Never returns if none is.
    async fn received(&self) -> Result<Vec<Message>, QueueStoreError> {
        let ended = std::future::poll_fn(|context| {
            let mut receiving = self.receiving.borrow_mut();
            match &mut *receiving {
                Some(Receiving(handle)) => Pin::new(handle).poll(context),
                None => Poll::Pending,
            }
        });
        let ended = ended.await;
        self.receiving.replace(None);
        ended.unwrap_or(Err(QueueStoreError::Closed))
    }

    /// Returns how many jobs of all functions together may begin.
    fn room(&self, invoke: &dyn Invoke) -> usize {
        let functions = invoke.functions();
        let leases = self.leases.borrow();
        let rooms = functions
            .iter()
            .map(|function| invoke.admissible(function, leases.running_of(function)) as usize);
        rooms.sum()
    }

    /// Takes in what was received: what is to run waits for room, all else is dealt with at once.
    async fn take_in(&self, messages: Vec<Message>, invoke: &dyn Invoke) {
        for message in messages {
            self.set_clock(&message);
            let job = match decode(&message) {
                Ok(Content::Job(job)) => *job,
                Ok(Content::Firing(firing)) if firing.is_to_run(self.now_ms()) => firing.job,
                Ok(Content::Firing(firing)) => {
                    let function = &firing.job.head.function;
                    let text = format!("/{function} was due longer ago, and is left out");
                    self.drop_message(&message, invoke).await;
                    invoke.warn(text);
                    continue;
                }
                Err(why) => {
                    self.bury_foreign(&message, &why, invoke).await;
                    continue;
                }
            };
            self.hold(&message, job);
        }
    }

    fn hold(&self, message: &Message, job: Job) {
        self.leases.borrow_mut().add(message, job);
    }

    /// Learns how far the clock of SQS is from this machine's.
    fn set_clock(&self, message: &Message) {
        if receives(message) == 1
            && let Some(there) = first_received_ms(message)
        {
            let here = i128::from(self.clock.now_ms());
            let ahead = i64::try_from(i128::from(there) - here);
            self.ahead_ms.set(ahead.unwrap_or_default());
        }
    }

    async fn drop_message(&self, message: &Message, invoke: &dyn Invoke) {
        let receipt = message.receipt_handle().unwrap_or_default();
        if let Err(error) = self.calls.delete(receipt).await {
            invoke.warn(error.report());
        }
    }

    /// A message that is not ours becomes a dead letter with the reason.
    async fn bury_foreign(&self, message: &Message, why: &str, invoke: &dyn Invoke) {
        let id = message.message_id().unwrap_or_default();
        invoke.warn(format!("message {id} in the queue is given up: {why}"));
        let dead = Outgoing {
            body: message.body().unwrap_or_default().to_owned(),
            group: group(message),
            deduplication: format!("dead-{id}"),
        };
        let attempts = receives(message).saturating_sub(1);
        match self.calls.bury(&dead, why, attempts, self.now_ms()).await {
            Ok(()) => self.drop_message(message, invoke).await,
            Err(error) => invoke.warn(error.report()),
        }
    }

    /// Keeps the messages that wait for room.
    async fn extend_held(&self, invoke: &dyn Invoke) {
        let waiting = self.leases.borrow().waiting_receipts();
        for receipt in waiting {
            if let Err(error) = self.calls.hide(&receipt, self.lease_time).await {
                invoke.warn(error.report());
            }
        }
    }

    /// Makes the messages that wait for room visible to others at once.
    pub(super) async fn give_back_held(&self) {
        let held = self.leases.borrow_mut().take_waiting();
        self.give_back(held).await;
    }

    pub(super) async fn give_back(&self, held: Vec<HeldMessage>) {
        self.give_back_after(held, Duration::ZERO).await;
    }

    async fn give_back_after(&self, held: Vec<HeldMessage>, pause: Duration) {
        // The last of a group first, or another node would get it too early.
        for message in held.into_iter().rev() {
            // One that is not given back becomes visible when its lease ends.
            let _late = self.calls.hide(&message.receipt, pause).await;
        }
    }
}
