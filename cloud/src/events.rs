//! Sources of events on AWS: SQS queues, and S3 buckets whose notifications go into one.
//!
//! A message is deleted when it is in fnlocal's queue. A message may stay, because fnlocal ended
//! before or because SQS refused a part of a batch. Such a message comes again when its visibility
//! is over, and its id is known then. A message with a group (FIFO) is an event with an order key.
//!
//! Messages' own attributes are not handed on: a CloudEvent has no place for their types.

use std::pin::Pin;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use bytes::Bytes;
use fnlocal_core::trigger::{SourceKind, SourceSpec};
use fnlocal_triggers::event::{SourceEvent, content_type};
use fnlocal_triggers::source::{Ingest, IngestedEvent, Source, SourceError};
use serde_json::Value;

use crate::aws::configuration;

/// How long SQS may wait for a message before it answers that there is none; 20 s is its most.
const LONG_POLL_SECONDS: i32 = 20;
/// The time for an answer, beyond SQS's own wait: a connection may be lost silently.
const ANSWER: Duration = Duration::from_secs(10);

/// Makes the sources that are read from AWS; none for other kinds.
#[must_use]
pub fn make(spec: &SourceSpec, url: Option<&str>) -> Option<Box<dyn Source>> {
    let buckets = match spec.source {
        SourceKind::Sqs => false,
        SourceKind::S3 => true,
        _ => return None,
    };
    Some(Box::new(Sqs {
        queue: spec.name.clone(),
        endpoint: url.map(str::to_owned),
        batch: i32::try_from(spec.batch).unwrap_or(10),
        visibility: spec.visibility,
        wait: LONG_POLL_SECONDS,
        buckets,
        config: None,
    }))
}

/// An SQS queue.
pub struct Sqs {
    /// Its URL.
    pub queue: String,
    /// Where SQS is, if not where AWS has it.
    pub endpoint: Option<String>,
    /// Messages taken at once: 1 to 10.
    pub batch: i32,
    /// Time for which what was taken is hidden.
    pub visibility: Duration,
    /// How long SQS may wait for a message, in seconds: up to 20.
    pub wait: i32,
    /// Its messages are notifications of buckets: each record of one is an event.
    pub buckets: bool,
    /// The configuration; that of this machine when none.
    pub config: Option<SdkConfig>,
}

impl Source for Sqs {
    fn name(&self) -> String {
        let name = self.queue.rsplit('/').next().unwrap_or_default();
        let kind = if self.buckets { "s3" } else { "sqs" };
        format!("{kind} {name}")
    }

    fn read<'a>(
        &'a mut self,
        intake: &'a Ingest,
    ) -> Pin<Box<dyn Future<Output = Result<(), SourceError>> + 'a>> {
        Box::pin(self.follow(intake))
    }
}

impl Sqs {
    async fn follow(&self, intake: &Ingest) -> Result<(), SourceError> {
        let client = self.client().await;
        let visibility = i32::try_from(self.visibility.as_secs())?;
        let mut refused = false;
        loop {
            let received = client
                .receive_message()
                .queue_url(&self.queue)
                .max_number_of_messages(self.batch)
                .visibility_timeout(visibility)
                .wait_time_seconds(self.wait)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await?;
            intake.reading();
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                continue;
            }
            let events = messages.iter().flat_map(|message| self.events(message));
            intake.take(events.collect(), Vec::new()).await?;
            let kept = self.delete(&client, &messages).await?;
            let before = std::mem::replace(&mut refused, kept.is_some());
            if let Some(why) = kept.filter(|_| !before) {
                intake.warn(&format!("{why}; they come again, and are known by then"));
            }
        }
    }

    async fn client(&self) -> Client {
        let config = match &self.config {
            Some(config) => config.clone(),
            None => configuration(region_of(&self.queue)).await,
        };
        let wait = Duration::from_secs(u64::from(self.wait.unsigned_abs()));
        let timeout = TimeoutConfig::builder().operation_attempt_timeout(wait + ANSWER);
        let mut builder =
            aws_sdk_sqs::config::Builder::from(&config).timeout_config(timeout.build());
        builder = builder.interceptor(crate::aws::diagnosis::DiagnosedCalls);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Client::from_conf(builder.build())
    }

    /// Deletes messages. Returns those that SQS refused, with the first reason.
    async fn delete(
        &self,
        client: &Client,
        messages: &[Message],
    ) -> Result<Option<String>, SourceError> {
        let mut entries = Vec::with_capacity(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(message.receipt_handle().unwrap_or_default());
            entries.push(entry.build()?);
        }
        let request = client.delete_message_batch().queue_url(&self.queue);
        let deleted = request.set_entries(Some(entries)).send().await?;
        let failed = deleted.failed();
        Ok(failed.first().map(|first| {
            let (count, all) = (failed.len(), messages.len());
            let why = first.message().unwrap_or(first.code());
            format!("{count} of {all} messages could not be deleted: {why}")
        }))
    }

    /// Returns the events of a message: the message itself, or the records of a bucket's
    /// notification.
    fn events(&self, message: &Message) -> Vec<IngestedEvent> {
        let body = message.body().unwrap_or_default();
        let id = message.message_id().unwrap_or_default();
        if self.buckets
            && let Ok(notification) = serde_json::from_str::<Value>(body)
        {
            if notification["Event"] == "s3:TestEvent" {
                // S3 says once that it may write here.
                return Vec::new();
            }
            if let Some(records) = notification["Records"].as_array() {
                let numbered = records.iter().enumerate();
                return numbered
                    .map(|(index, record)| of_bucket(id, index, record))
                    .collect();
            }
        }
        let attribute = |name| message.attributes().and_then(|all| all.get(&name));
        let sent = attribute(MessageSystemAttributeName::SentTimestamp);
        vec![IngestedEvent {
            event: SourceEvent {
                id: id.to_owned(),
                source: self.queue.clone(),
                kind: "com.amazonaws.sqs.message".to_owned(),
                subject: None,
                time_ms: sent.and_then(|sent| sent.parse().ok()),
                content_type: content_type(body.as_bytes()).to_owned(),
                data: Bytes::from(body.to_owned()),
            },
            key: id.to_owned(),
            order: attribute(MessageSystemAttributeName::MessageGroupId).cloned(),
        }]
    }
}

/// As CloudEvents' adapter for S3 has it.
fn of_bucket(message: &str, index: usize, record: &Value) -> IngestedEvent {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (bucket, object) = (&record["s3"]["bucket"], &record["s3"]["object"]);
    let name = text(&record["eventName"]);
    let kind = name
        .trim_start_matches("s3:")
        .replace(':', ".")
        .to_lowercase();
    let data = record.to_string();
    let key = format!("{message} {index}");
    IngestedEvent {
        event: SourceEvent {
            id: key.clone(),
            source: format!("{}.{}", text(&record["eventSource"]), text(&bucket["name"])),
            kind: format!("com.amazonaws.s3.{kind}"),
            subject: Some(text(&object["key"])),
            time_ms: None,
            content_type: "application/json".to_owned(),
            data: Bytes::from(data),
        },
        key,
        order: Some(text(&object["key"])),
    }
}

/// The region in a queue's URL, such as `https://sqs.eu-west-1.amazonaws.com/1/bids`.
pub(crate) fn region_of(queue: &str) -> Option<&str> {
    let host = queue.split("://").nth(1)?.split('/').next()?;
    let mut words = host.split('.');
    (words.next()? == "sqs").then_some(())?;
    words.next().filter(|_| host.contains(".amazonaws."))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};

    use super::{Sqs, region_of};

    fn queue(buckets: bool) -> Sqs {
        Sqs {
            queue: "https://sqs.eu-west-1.amazonaws.com/123456789012/bids.fifo".to_owned(),
            endpoint: None,
            batch: 10,
            visibility: Duration::from_secs(30),
            wait: 0,
            buckets,
            config: None,
        }
    }

    fn message(body: &str) -> Message {
        let group = MessageSystemAttributeName::MessageGroupId;
        let message = Message::builder().message_id("m1").body(body);
        message.attributes(group, "bid 7").build()
    }

    #[test]
    fn the_message_group_of_an_sqs_message_becomes_its_order_key() {
        let events = queue(false).events(&message("{}"));
        assert_eq!(events[0].order.as_deref(), Some("bid 7"));
        assert_eq!(events[0].key, "m1");
    }

    #[test]
    fn every_record_of_an_s3_notification_is_an_event_and_the_s3_test_event_is_not() {
        let record = |key: &str| {
            format!(
                r#"{{"eventSource":"aws:s3","eventName":"ObjectCreated:Put",
                "s3":{{"bucket":{{"name":"up"}},"object":{{"key":"{key}"}}}}}}"#
            )
        };
        let both = format!(r#"{{"Records":[{},{}]}}"#, record("a"), record("b"));
        let events = queue(true).events(&message(&both));
        let subjects: Vec<_> = events
            .iter()
            .filter_map(|one| one.event.subject.as_deref())
            .collect();
        assert_eq!(subjects, ["a", "b"]);
        assert_eq!(events[0].event.kind, "com.amazonaws.s3.objectcreated.put");
        assert_ne!(events[0].key, events[1].key);
        let test = message(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#);
        assert!(queue(true).events(&test).is_empty());
    }

    #[test]
    fn the_region_is_read_from_a_queue_url() {
        let aws = "https://sqs.eu-west-1.amazonaws.com/123456789012/bids";
        assert_eq!(region_of(aws), Some("eu-west-1"));
        assert_eq!(region_of("http://127.0.0.1:5000/1/bids"), None);
    }
}
