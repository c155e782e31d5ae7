//! A job as an SQS message, and a message as a job.
//!
//! The limits are those of "Amazon SQS message quotas" in the SQS Developer Guide.

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fnlocal_core::trigger::ScheduleSpec;
use fnlocal_triggers::job::{Job, JobId, JobMeta, NewJob, Trigger};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::firing::{Firing, ScheduleMessage};

/// The maximum number of bytes of a message with its attributes: 1 MiB.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The number of those bytes that are left to the attributes of a dead letter.
const ATTRIBUTE_BYTES: usize = 8 << 10;
/// The maximum number of bytes of a job as a message.
pub(super) const MAX_JOB_BYTES: usize = MAX_MESSAGE_BYTES - ATTRIBUTE_BYTES;
/// The maximum number of letters of a function's name in a group, whose own maximum is 128.
const MAX_GROUP_NAME: usize = 60;
/// The version of the format of messages.
const FORMAT: u32 = 1;

/// The attribute with a dead letter's error.
const ERROR: &str = "fnlocal-error";
/// The attribute with the number of its failed runs.
const ATTEMPTS: &str = "fnlocal-attempts";
/// The attribute with the time it was given up, in milliseconds since 1970.
const DIED: &str = "fnlocal-died";

/// A message of ours.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    fnlocal: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<JobMessage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleMessage>,
}

/// A job in a message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobMessage {
    id: JobId,
    function: String,
    trigger: Trigger,
    path: String,
    headers: Vec<(String, String)>,
    /// The body, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The body, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    max_age_ms: u64,
}

/// A message that is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub body: String,
    pub group: String,
    pub deduplication: String,
}

/// The content of a message of ours.
#[derive(Debug)]
pub(super) enum Content {
    Job(Box<Job>),
    Firing(Box<Firing>),
}

/// Returns a job's message, and the job's number. A job with an idempotency key has the same number
/// each time, since SQS does not say whether it knows a message already.
pub(super) fn encode(job: &NewJob, now_ms: u64) -> (JobId, Outgoing) {
    let key = job.key.as_deref();
    let id = match key {
        Some(key) => JobId(hash(&job.function, key)),
        // Unlike a file's, numbers are made by many nodes.
        None => JobId((now_ms << 22) | u64::from(rand::random::<u32>() >> 10)),
    };
    let deduplication = match key {
        Some(_) => id.to_string(),
        None => format!("{id}-{:016x}", rand::random::<u64>()),
    };
    let group = match (&job.order, key) {
        (Some(order), _) => format!("order {order}"),
        // Deduplication works within a group only.
        (None, Some(key)) => format!("key {key}"),
        (None, None) => format!("none {}", rand::random::<u64>()),
    };
    let (text, base64) = match std::str::from_utf8(&job.body) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(&job.body))),
    };
    let envelope = Envelope {
        fnlocal: FORMAT,
        job: Some(JobMessage {
            id,
            function: job.function.clone(),
            trigger: job.trigger,
            path: job.path.clone(),
            headers: job.headers.clone(),
            text: text.filter(|text| !text.is_empty()),
            base64,
            order: job.order.clone(),
            key: job.key.clone(),
            max_age_ms: job.max_age_ms,
        }),
        schedule: None,
    };
    let outgoing = Outgoing {
        body: json(&envelope),
        group: group_of(&job.function, &group),
        deduplication,
    };
    (id, outgoing)
}

/// Returns the body that a schedule's messages have, with `due` for the time.
#[must_use]
pub fn schedule_body(function: &str, spec: &ScheduleSpec, max_age_ms: u64, due: &str) -> String {
    json(&Envelope {
        fnlocal: FORMAT,
        job: None,
        schedule: Some(ScheduleMessage {
            function: function.to_owned(),
            spec: spec.clone(),
            due: due.to_owned(),
            max_age_ms,
        }),
    })
}

/// Returns a message group: of a function, and of `what` within it.
#[must_use]
pub fn group_of(function: &str, what: &str) -> String {
    let name = function.chars().take(MAX_GROUP_NAME);
    let name = name.map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    format!("{}.{:016x}", name.collect::<String>(), hash(function, what))
}

/// Reads a message. The error is why it is not ours.
pub(super) fn decode(message: &Message) -> Result<Content, String> {
    let body = message.body().unwrap_or_default();
    let envelope: Envelope =
        serde_json::from_str(body).map_err(|error| format!("it is no job of fnlocal: {error}"))?;
    if envelope.fnlocal != FORMAT {
        let format = envelope.fnlocal;
        return Err(format!(
            "its format is {format}, and this fnlocal reads {FORMAT}"
        ));
    }
    match (envelope.job, envelope.schedule) {
        (Some(job), None) => Ok(Content::Job(Box::new(job.into_job(message)?))),
        (None, Some(schedule)) => Ok(Content::Firing(Box::new(schedule.into_firing(message)?))),
        _ => Err("it is neither a job nor a firing of a schedule".to_owned()),
    }
}

impl JobMessage {
    fn into_job(self, message: &Message) -> Result<Job, String> {
        let body = match (self.text, self.base64) {
            (Some(text), None) => Bytes::from(text),
            (None, Some(base64)) => {
                let decoded = STANDARD.decode(base64);
                Bytes::from(decoded.map_err(|error| format!("its body is no base64: {error}"))?)
            }
            (None, None) => Bytes::new(),
            (Some(_), Some(_)) => return Err("it has two bodies".to_owned()),
        };
        let accepted_ms = sent_ms(message);
        let head = JobMeta {
            id: self.id,
            function: self.function,
            trigger: self.trigger,
            path: self.path,
            headers: self.headers,
            size: body.len() as u64,
            order: self.order,
            key: self.key,
            accepted_ms,
            due_ms: accepted_ms,
            attempts: receives(message).saturating_sub(1),
            error: None,
            died_ms: None,
            max_age_ms: Some(self.max_age_ms),
        };
        let file = None;
        Ok(Job { head, body, file })
    }
}

/// Returns how often a message was received, this time included.
pub(super) fn receives(message: &Message) -> u32 {
    let name = MessageSystemAttributeName::ApproximateReceiveCount;
    attribute(message, &name).unwrap_or(1)
}

/// Returns when a message was sent, in milliseconds since 1970 by the clock of SQS.
pub(super) fn sent_ms(message: &Message) -> u64 {
    attribute(message, &MessageSystemAttributeName::SentTimestamp).unwrap_or_default()
}

/// Returns what the clock of SQS showed when a message was received for the first time.
pub(super) fn first_received_ms(message: &Message) -> Option<u64> {
    let name = MessageSystemAttributeName::ApproximateFirstReceiveTimestamp;
    attribute(message, &name)
}

/// Returns a message's group.
pub(super) fn group(message: &Message) -> String {
    let name = MessageSystemAttributeName::MessageGroupId;
    attribute(message, &name).unwrap_or_default()
}

fn attribute<T: std::str::FromStr>(
    message: &Message,
    name: &MessageSystemAttributeName,
) -> Option<T> {
    message.attributes()?.get(name)?.parse().ok()
}

/// Returns the attributes of a dead letter.
pub(super) fn dead_attributes(
    error: &str,
    attempts: u32,
    died_ms: u64,
) -> [(&'static str, MessageAttributeValue); 3] {
    let value = |kind: &str, value: String| {
        let built = MessageAttributeValue::builder().data_type(kind);
        let built = built.string_value(value).build();
        built.expect("its type is set")
    };
    let error = if error.is_empty() { "unknown" } else { error };
    let error: String = error
        .chars()
        .map(|c| if is_allowed(c) { c } else { '\u{fffd}' })
        .collect();
    [
        (ERROR, value("String", error)),
        (ATTEMPTS, value("Number", attempts.to_string())),
        (DIED, value("Number", died_ms.to_string())),
    ]
}

/// Reads the head of a dead letter, which may be a message that is not ours.
pub(super) fn dead_job(message: &Message) -> Job {
    let text = |name: &str| {
        let value = message.message_attributes()?.get(name)?;
        value.string_value().map(str::to_owned)
    };
    let mut job = match decode(message) {
        Ok(Content::Job(job)) => *job,
        Ok(Content::Firing(firing)) => firing.job,
        Err(_) => foreign(message),
    };
    let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
    // SQS itself moved a message here that no node could end.
    let moved = || format!("SQS moved it here after {} receives", receives(message));
    job.head.error = Some(text(ERROR).unwrap_or_else(moved));
    job.head.attempts = number(ATTEMPTS)
        .and_then(|n| u32::try_from(n).ok())
        .unwrap_or_default();
    job.head.died_ms = Some(number(DIED).unwrap_or_else(|| sent_ms(message)));
    job
}

/// A message that is not ours, as a job that cannot run.
fn foreign(message: &Message) -> Job {
    let body = Bytes::from(message.body().unwrap_or_default().to_owned());
    let at = sent_ms(message);
    Job {
        head: JobMeta {
            id: number_of(message),
            function: String::new(),
            trigger: Trigger::Async,
            path: String::new(),
            headers: Vec::new(),
            size: body.len() as u64,
            order: None,
            key: None,
            accepted_ms: at,
            due_ms: at,
            attempts: 0,
            error: None,
            died_ms: None,
            max_age_ms: None,
        },
        body,
        file: None,
    }
}

/// Returns a number for a message that has none of a job.
pub(super) fn number_of(message: &Message) -> JobId {
    JobId(hash("", message.message_id().unwrap_or_default()))
}

fn hash(function: &str, what: &str) -> u64 {
    let digest = Sha256::digest(format!("{function}\0{what}"));
    digest
        .iter()
        .take(8)
        .fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

/// Two characters that SQS replaces stand in texts only, where JSON can write them otherwise.
fn json(envelope: &Envelope) -> String {
    let text = serde_json::to_string(envelope).expect("a message is plain data");
    text.replace('\u{fffe}', "\\ufffe")
        .replace('\u{ffff}', "\\uffff")
}

/// Returns whether SQS keeps a character as it is.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
