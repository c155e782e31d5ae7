//! SQS: the queue of jobs and its dead letters.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::{Aws, Creation, found, settled};
use crate::desired::queue_url;
use crate::error::CloudError;
use crate::inventory::FoundResource;
use crate::resource::{MessageQueue, Resource};
use crate::role::queue_arn;

const DAY_SECONDS: u32 = 24 * 3600;

/// Attributes by name; the SDK's own type has no order.
type Attributes = BTreeMap<QueueAttributeName, String>;

impl Aws {
    pub(super) async fn read_queues(&self) -> Result<Vec<FoundResource>, CloudError> {
        let (dead, jobs) = (self.names.dead_letter_queue(), self.names.queue());
        let (dead, jobs) = tokio::join!(self.read_queue(&dead), self.read_queue(&jobs));
        Ok(dead?.into_iter().chain(jobs?).collect())
    }

    async fn read_queue(&self, name: &str) -> Result<Option<FoundResource>, CloudError> {
        let call = self.sqs.get_queue_url().queue_name(name);
        let output = found!(
            "sqs:GetQueueUrl",
            [
                "QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue"
            ],
            call
        )?;
        let Some(url) = output.and_then(|output| output.queue_url) else {
            return Ok(None);
        };
        let call = self.sqs.get_queue_attributes().queue_url(&url);
        let call = call.attribute_names(QueueAttributeName::All);
        let attributes = found!(
            "sqs:GetQueueAttributes",
            [
                "QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue"
            ],
            call
        )?;
        let Some(attributes) = attributes.and_then(|output| output.attributes) else {
            return Ok(None);
        };
        let call = self.sqs.list_queue_tags().queue_url(&url);
        let tags = found!(
            "sqs:ListQueueTags",
            [
                "QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue"
            ],
            call
        )?;
        let tags = tags.and_then(|output| output.tags).unwrap_or_default();
        let tags = tags
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        Ok(Some(FoundResource {
            owner: self.owner(tags),
            resource: Resource::Queue(queue(name, &attributes.into_iter().collect())),
            id: url,
        }))
    }

    pub(super) async fn create_queue(&self, wanted: &MessageQueue) -> Result<Creation, CloudError> {
        let mut call = self.sqs.create_queue().queue_name(&wanted.name);
        // This attribute cannot be changed later.
        let mut attributes = self.attributes(wanted);
        attributes.insert(QueueAttributeName::FifoQueue, "true".to_owned());
        for (name, value) in attributes {
            call = call.attributes(name, value);
        }
        for (key, value) in self.tags() {
            call = call.tags(key, value);
        }
        // A role that was made just now is not known everywhere, and a queue's name is free again
        // only a minute after its deletion.
        let made = settled!(
            self,
            "sqs:CreateQueue",
            [
                "InvalidAttributeValue",
                "QueueDeletedRecently",
                "AWS.SimpleQueueService.QueueDeletedRecently"
            ],
            call
        );
        match made {
            Ok(output) => Ok(Creation::New(output.queue_url.unwrap_or_default())),
            Err(error) => {
                let text = fnlocal_api::chain(&error);
                let is_there = ["QueueAlreadyExists", "QueueNameExists"];
                let is_there = is_there.iter().any(|code| text.contains(code));
                is_there.then_some(Creation::There).ok_or(error)
            }
        }
    }

    pub(super) async fn change_queue(&self, wanted: &MessageQueue) -> Result<(), CloudError> {
        let url = queue_url(&self.place, &wanted.name);
        let mut call = self.sqs.set_queue_attributes().queue_url(url);
        for (name, value) in self.attributes(wanted) {
            call = call.attributes(name, value);
        }
        settled!(
            self,
            "sqs:SetQueueAttributes",
            ["InvalidAttributeValue"],
            call
        )
        .map(drop)
    }

    pub(super) async fn delete_queue(&self, url: &str) -> Result<(), CloudError> {
        let call = self.sqs.delete_queue().queue_url(url);
        found!(
            "sqs:DeleteQueue",
            [
                "QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue"
            ],
            call
        )
        .map(drop)
    }

    fn attributes(&self, wanted: &MessageQueue) -> Attributes {
        let (scope, limit) = if wanted.high_throughput {
            ("messageGroup", "perMessageGroupId")
        } else {
            ("queue", "perQueue")
        };
        let seconds = wanted.days * DAY_SECONDS;
        let mut attributes: Attributes = BTreeMap::from([
            (
                QueueAttributeName::ContentBasedDeduplication,
                wanted.deduplicates_content.to_string(),
            ),
            (QueueAttributeName::DeduplicationScope, scope.to_owned()),
            (QueueAttributeName::FifoThroughputLimit, limit.to_owned()),
            (
                QueueAttributeName::SqsManagedSseEnabled,
                wanted.encrypted.to_string(),
            ),
            (
                QueueAttributeName::MessageRetentionPeriod,
                seconds.to_string(),
            ),
            (QueueAttributeName::Policy, wanted.policy.to_string()),
        ]);
        if let Some(dead) = &wanted.dead_letters {
            let redrive = json!({
                "deadLetterTargetArn": queue_arn(&self.place, dead),
                "maxReceiveCount": wanted.max_receives,
            });
            attributes.insert(QueueAttributeName::RedrivePolicy, redrive.to_string());
        }
        attributes
    }
}

fn queue(name: &str, attributes: &Attributes) -> MessageQueue {
    let text = |name: QueueAttributeName| attributes.get(&name).map(String::as_str);
    let value = |name| text(name).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let redrive = value(QueueAttributeName::RedrivePolicy).unwrap_or_default();
    // AWS has it as a number, and has had it as a text.
    let receives = &redrive["maxReceiveCount"];
    let receives = receives
        .as_u64()
        .or_else(|| receives.as_str()?.parse().ok());
    let dead = redrive["deadLetterTargetArn"].as_str();
    let seconds = text(QueueAttributeName::MessageRetentionPeriod);
    let seconds: u32 = seconds
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    MessageQueue {
        name: name.to_owned(),
        dead_letters: dead
            .and_then(|arn| arn.rsplit(':').next())
            .map(str::to_owned),
        max_receives: receives
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or_default(),
        days: seconds / DAY_SECONDS,
        encrypted: text(QueueAttributeName::SqsManagedSseEnabled) == Some("true"),
        deduplicates_content: text(QueueAttributeName::ContentBasedDeduplication) == Some("true"),
        high_throughput: text(QueueAttributeName::DeduplicationScope) == Some("messageGroup")
            && text(QueueAttributeName::FifoThroughputLimit) == Some("perMessageGroupId"),
        policy: value(QueueAttributeName::Policy).unwrap_or_default(),
    }
}
