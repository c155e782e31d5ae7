//! Where asynchronous work is kept until it has run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// SQS queue: FIFO with high throughput, encrypted by SQS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageQueue {
    /// Its name.
    pub name: String,
    /// Its dead-letter queue; none for a dead-letter queue.
    pub dead_letters: Option<String>,
    /// Receives after which a message goes there; 0 without one.
    pub max_receives: u32,
    /// Days a message is kept.
    pub days: u32,
    /// `true` if SQS encrypts it with keys of its own.
    pub encrypted: bool,
    /// `true` if messages without a deduplication id are known by their content.
    pub deduplicates_content: bool,
    /// `true` if limits and deduplication are those of message groups.
    pub high_throughput: bool,
    /// The policy that says who may send to it.
    pub policy: Value,
}

/// Group of EventBridge Scheduler, with the schedules of functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleGroup {
    /// Its name.
    pub name: String,
}

/// Schedule of a function at EventBridge Scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionSchedule {
    /// Its name.
    pub name: String,
    /// When, as EventBridge writes it.
    pub expression: String,
    /// Its time zone.
    pub timezone: String,
    /// Its target: the ARN of the queue, or of SQS's SendMessage.
    pub target: String,
    /// The role it calls with.
    pub role: String,
    /// The message group, if the target is the queue.
    pub message_group: Option<String>,
    /// The message it sends.
    pub input: String,
}
