//! The calls to SQS.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, SendMessageBatchRequestEntry};
use fnlocal_triggers::store::QueueStoreError;

use super::QueueUrls;
use super::message::{Outgoing, dead_attributes};
use crate::aws::called;
use crate::error::CloudError;

/// The time for an answer. A sender waits for it.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// The maximum number of messages of one call, by "Amazon SQS message quotas".
pub(super) const MAX_BATCH: usize = 10;
/// The maximum number of bytes of all messages of one call, by the same.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// The queue itself, or its dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueSide {
    Jobs,
    Dead,
}

/// The calls to SQS.
#[derive(Clone)]
pub(super) struct SqsCalls {
    quick: Client,
    polling: Client,
    urls: QueueUrls,
    wait_seconds: i32,
}

impl SqsCalls {
    pub fn new(config: &SdkConfig, urls: QueueUrls, wait_seconds: i32) -> Self {
        let client = |answer: Duration| {
            let timeout = TimeoutConfig::builder().operation_attempt_timeout(answer);
            let builder = aws_sdk_sqs::config::Builder::from(config);
            let builder = builder.timeout_config(timeout.build());
            let builder = builder.interceptor(crate::aws::diagnosis::DiagnosedCalls);
            Client::from_conf(builder.build())
        };
        let wait = Duration::from_secs(u64::from(wait_seconds.unsigned_abs()));
        Self {
            quick: client(ANSWER_TIME),
            polling: client(ANSWER_TIME + wait),
            urls,
            wait_seconds,
        }
    }

    pub async fn send(&self, message: &Outgoing) -> Result<(), QueueStoreError> {
        let call = self.quick.send_message().queue_url(&self.urls.jobs);
        let call = call
            .message_body(&message.body)
            .message_group_id(&message.group)
            .message_deduplication_id(&message.deduplication);
        called!("sqs:SendMessage", call).map_err(service).map(drop)
    }

    pub async fn send_many(&self, messages: &[Outgoing]) -> Result<(), QueueStoreError> {
        let mut rest = messages;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take(MAX_BATCH).take_while(|message| {
                bytes += message.body.len();
                bytes <= MAX_BATCH_BYTES
            });
            let (batch, after) = rest.split_at(fitting.count().max(1));
            self.send_batch(batch).await?;
            rest = after;
        }
        Ok(())
    }

    async fn send_batch(&self, batch: &[Outgoing]) -> Result<(), QueueStoreError> {
        let mut call = self.quick.send_message_batch().queue_url(&self.urls.jobs);
        for (index, message) in batch.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(&message.body)
                .message_group_id(&message.group)
                .message_deduplication_id(&message.deduplication);
            call = call.entries(entry.build().expect("id and body are set"));
        }
        let sent = called!("sqs:SendMessage", call).map_err(service)?;
        match sent.failed().first() {
            None => Ok(()),
            Some(failed) => {
                let (count, why) = (sent.failed().len(), failed.message());
                let why = why.unwrap_or(failed.code());
                let what = format!("SQS refused {count} of {} messages: {why}", batch.len());
                Err(QueueStoreError::Service(what, None))
            }
        }
    }

    /// Makes a message a dead letter, in a group of its own: all dead letters can be seen at once.
    pub async fn bury(
        &self,
        message: &Outgoing,
        error: &str,
        attempts: u32,
        died_ms: u64,
    ) -> Result<(), QueueStoreError> {
        let call = self.quick.send_message().queue_url(&self.urls.dead);
        let mut call = call
            .message_body(&message.body)
            .message_group_id(&message.deduplication)
            .message_deduplication_id(&message.deduplication);
        for (name, value) in dead_attributes(error, attempts, died_ms) {
            call = call.message_attributes(name, value);
        }
        called!("sqs:SendMessage", call).map_err(service).map(drop)
    }

    /// Waits for messages, and receives up to `count`, which are hidden for `visible_after`.
    pub async fn receive(
        &self,
        from: QueueSide,
        count: usize,
        visible_after: Duration,
    ) -> Result<Vec<Message>, QueueStoreError> {
        let (client, url, wait) = match from {
            QueueSide::Jobs => (&self.polling, &self.urls.jobs, self.wait_seconds),
            QueueSide::Dead => (&self.quick, &self.urls.dead, 0),
        };
        let count = i32::try_from(count.clamp(1, MAX_BATCH)).unwrap_or(1);
        let call = client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(count)
            .visibility_timeout(seconds(visible_after))
            .wait_time_seconds(wait)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let received = called!("sqs:ReceiveMessage", call).map_err(service)?;
        Ok(received.messages.unwrap_or_default())
    }

    /// Hides a received message for the given time from now on; none makes it visible at once.
    pub async fn hide(&self, receipt: &str, time: Duration) -> Result<(), QueueStoreError> {
        self.hide_in(QueueSide::Jobs, receipt, time).await
    }

    pub async fn hide_in(
        &self,
        from: QueueSide,
        receipt: &str,
        time: Duration,
    ) -> Result<(), QueueStoreError> {
        let call = self.quick.change_message_visibility();
        let call = call
            .queue_url(self.url(from))
            .receipt_handle(receipt)
            .visibility_timeout(seconds(time));
        called!("sqs:ChangeMessageVisibility", call)
            .map_err(service)
            .map(drop)
    }

    pub async fn delete(&self, receipt: &str) -> Result<(), QueueStoreError> {
        self.delete_in(QueueSide::Jobs, receipt).await
    }

    pub async fn delete_in(&self, from: QueueSide, receipt: &str) -> Result<(), QueueStoreError> {
        let call = self.quick.delete_message();
        let call = call.queue_url(self.url(from)).receipt_handle(receipt);
        called!("sqs:DeleteMessage", call)
            .map_err(service)
            .map(drop)
    }

    fn url(&self, from: QueueSide) -> &str {
        match from {
            QueueSide::Jobs => &self.urls.jobs,
            QueueSide::Dead => &self.urls.dead,
        }
    }
}

fn service(error: CloudError) -> QueueStoreError {
    let text = fnlocal_api::chain(&error);
    QueueStoreError::Service(text, error.hint)
}

/// Whole seconds, none of which is lost.
fn seconds(time: Duration) -> i32 {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}
