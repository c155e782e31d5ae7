//! The callers of a function besides requests: asynchronous invocations, schedules, event sources.
//!
//! Only the part that a configuration and a release hold. Queues and clocks are elsewhere;
//! [`crate::async_budget`] decides how much of a node such work may take.

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// The delivery of asynchronous invocations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AsyncPolicy {
    /// The maximum number of runs, the first included.
    pub attempts: u32,
    /// Pause before the second run; it doubles with every run after that.
    pub backoff: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// Time after its acceptance at which an invocation is given up.
    pub max_age: Duration,
    /// How long an idempotency key is remembered.
    pub keep_keys: Duration,
    /// Part of the function's places that such work may take, in percent.
    pub share: u32,
    /// `Some` if the configuration says whether clients may ask for it. `None` if they may where
    /// only this machine can.
    pub from_clients: Option<bool>,
    /// The maximum number of bytes of the invocations that wait, bodies included.
    pub queue_bytes: u64,
}

impl Default for AsyncPolicy {
    /// Six hours are Lambda's maximum age. The rest is ours.
    fn default() -> Self {
        Self {
            attempts: 5,
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
            max_age: Duration::from_secs(6 * 3600),
            keep_keys: Duration::from_secs(24 * 3600),
            share: 50,
            from_clients: None,
            queue_bytes: 256 << 20,
        }
    }
}

impl AsyncPolicy {
    /// The pause after `attempts` runs failed. `chance` is between 0 and 1 and takes up to half of
    /// it away, so that what failed together does not come back together.
    #[must_use]
    pub fn pause(&self, attempts: u32, chance: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(30);
        let whole = self.backoff.saturating_mul(1 << doublings);
        let whole = whole.min(self.backoff_max);
        crate::time::scaled(whole, 1.0 - chance.clamp(0.0, 1.0) / 2.0)
    }

    /// Checks what the types cannot say. The error names the key and what is wrong with it.
    ///
    /// # Errors
    /// The first bound that makes no sense.
    pub fn validate(self) -> Result<Self, (&'static str, &'static str)> {
        if !(1..=100).contains(&self.attempts) {
            return Err(("attempts", "must be between 1 and 100"));
        }
        if self.backoff.is_zero() {
            return Err(("backoff", "must be longer than nothing"));
        }
        if self.backoff_max < self.backoff {
            return Err(("backoff_max", "must not be shorter than `backoff`"));
        }
        if self.max_age.is_zero() {
            return Err(("max_age", "must be longer than nothing"));
        }
        if !(1..=100).contains(&self.share) {
            return Err(("share", "must be between 1 and 100 percent"));
        }
        if self.queue_bytes < 1 << 20 {
            return Err(("queue_size", "must be at least 1MB"));
        }
        Ok(self)
    }
}

/// The treatment of runs that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are left out.
    #[default]
    Skip,
    /// One run makes up for all of them.
    Once,
    /// All are made up for, at most the newest [`MISSED_MOST`].
    All,
}

/// The maximum number of missed runs that are made up for.
pub const MISSED_MOST: usize = 100;

/// When a function is called by itself. Written as a cron expression, or as a table with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleSpec {
    /// A cron expression of five fields, or six with seconds.
    pub cron: String,
    /// Its time zone, as the IANA calls it.
    pub timezone: String,
    /// The treatment of missed runs.
    pub missed: Missed,
    /// A run may begin while the one before it has not ended.
    pub overlap: bool,
}

/// The table's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    cron: String,
    #[serde(default = "utc")]
    timezone: String,
    #[serde(default)]
    missed: Missed,
    #[serde(default)]
    overlap: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Serialize for ScheduleSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::cron(&*self.cron) {
            return serializer.serialize_str(&self.cron);
        }
        let table = Table {
            cron: self.cron.clone(),
            timezone: self.timezone.clone(),
            missed: self.missed,
            overlap: self.overlap,
        };
        table.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ScheduleSpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Forms)
    }
}

/// Reads both forms. Written by hand rather than with serde's `untagged`, which would lose what
/// was wrong.
struct Forms;

impl<'de> serde::de::Visitor<'de> for Forms {
    type Value = ScheduleSpec;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a cron expression, or a table with `cron`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ScheduleSpec, E> {
        Ok(ScheduleSpec::cron(text))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<ScheduleSpec, A::Error> {
        let table = Table::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(ScheduleSpec {
            cron: table.cron,
            timezone: table.timezone,
            missed: table.missed,
            overlap: table.overlap,
        })
    }
}

impl ScheduleSpec {
    /// A cron expression with everything else as usual.
    #[must_use]
    pub fn cron(cron: impl Into<String>) -> Self {
        Self {
            cron: cron.into(),
            timezone: utc(),
            missed: Missed::default(),
            overlap: false,
        }
    }
}

/// The kind of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A local folder, as if it were a bucket.
    Folder,
    /// Notifications of an S3 bucket, which S3 puts into an SQS queue.
    S3,
    /// An SQS queue.
    Sqs,
    /// PostgreSQL: LISTEN, and a table as an outbox.
    Postgres,
    /// A Redis stream.
    Redis,
}

impl SourceKind {
    /// All of them, in the order of the reference.
    pub const ALL: [Self; 5] = [
        Self::Folder,
        Self::S3,
        Self::Sqs,
        Self::Postgres,
        Self::Redis,
    ];

    /// As fnlocal.toml spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::S3 => "s3",
            Self::Sqs => "sqs",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }

    /// The maximum number of events taken at once.
    #[must_use]
    pub const fn max_batch(self) -> u32 {
        match self {
            Self::Sqs | Self::S3 => 10,
            Self::Folder | Self::Postgres | Self::Redis => 1000,
        }
    }
}

/// The parameters of a handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// `(req, res)`.
    #[default]
    Http,
    /// A CloudEvent.
    Event,
    /// AWS Lambda's `(event, context)`.
    Lambda,
    /// A web-standard request, answered by a response.
    Fetch,
    /// An application that routes by itself.
    App,
}

impl Signature {
    /// Its word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Event => "event",
            Self::Lambda => "lambda",
            Self::Fetch => "fetch",
            Self::App => "app",
        }
    }

    /// Returns whether such a function gets every path where it is the only one of a project: other
    /// platforms run it like that.
    #[must_use]
    pub const fn takes_all(self) -> bool {
        matches!(self, Self::Lambda | Self::Fetch | Self::App)
    }
}

/// The format of the events that API Gateway sends to a Lambda handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LambdaEvent {
    /// A REST API's.
    #[serde(rename = "1.0")]
    V1,
    /// An HTTP API's.
    #[default]
    #[serde(rename = "2.0")]
    V2,
}

impl LambdaEvent {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// The callers of a function, besides requests and its schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FunctionTriggers {
    /// The delivery of asynchronous invocations.
    pub delivery: AsyncPolicy,
    /// Whose events call it.
    pub sources: Vec<SourceSpec>,
    /// The parameters of its handler, if the configuration says so; else its code decides.
    pub signature: Option<Signature>,
    /// The format of a Lambda handler's events. Older versions do not know the key.
    #[serde(skip_serializing_if = "LambdaEvent::is_usual")]
    pub lambda_event: LambdaEvent,
}

/// A source whose events call a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// The kind.
    pub source: SourceKind,
    /// The folder, queue, stream, or channel.
    pub name: String,
    /// Where it is: a URL, unless a variable holds it.
    pub url: Option<String>,
    /// The variable that holds the URL.
    pub url_env: Option<String>,
    /// The consumer group of a Redis stream.
    pub group: Option<String>,
    /// The outbox table of a PostgreSQL database.
    pub outbox: Option<String>,
    /// The maximum number of events taken at once.
    pub batch: u32,
    /// Time for which an SQS queue hides what was taken.
    pub visibility: Duration,
}

impl SourceSpec {
    /// Returns whether the source tells everybody who listens, so that only one node may.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        match self.source {
            SourceKind::Postgres => self.outbox.is_none(),
            SourceKind::Folder | SourceKind::S3 | SourceKind::Sqs | SourceKind::Redis => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

    use super::*;

    #[test]
    fn backoff_doubles_up_to_the_maximum_and_jitter_shortens_it_by_at_most_half() {
        let policy = AsyncPolicy::default();
        let pauses = |chance| (1..12).map(move |n| AsyncPolicy::default().pause(n, chance));
        assert_eq!(policy.pause(1, 0.0), Duration::from_secs(1));
        assert_eq!(policy.pause(4, 0.0), Duration::from_secs(8));
        assert_eq!(policy.pause(1, 1.0), Duration::from_millis(500));
        for (whole, jittered) in pauses(0.0).zip(pauses(1.0)) {
            assert!(whole <= policy.backoff_max && jittered * 2 == whole);
        }
        assert_eq!(policy.pause(u32::MAX, 0.0), policy.backoff_max);
    }

    #[test]
    fn a_schedule_is_a_string_or_a_table() {
        let text: ScheduleSpec = serde_json::from_str(r#""0 9 * * *""#).unwrap();
        assert_eq!(text, ScheduleSpec::cron("0 9 * * *"));
        let table =
            r#"{"cron":"0 9 * * *","timezone":"Europe/Berlin","missed":"once","overlap":false}"#;
        let read: ScheduleSpec = serde_json::from_str(table).unwrap();
        assert_eq!(read.missed, Missed::Once);
        assert_eq!(serde_json::to_string(&read).unwrap(), table);
        assert_eq!(serde_json::to_string(&text).unwrap(), r#""0 9 * * *""#);
        let wrong = serde_json::from_str::<ScheduleSpec>(r#"{"cron":"x","often":1}"#);
        assert!(wrong.unwrap_err().to_string().contains("`often`"));
    }

    #[test]
    fn an_out_of_range_policy_value_is_refused_with_its_key() {
        let bad = |change: fn(&mut AsyncPolicy)| {
            let mut policy = AsyncPolicy::default();
            change(&mut policy);
            policy.validate().map_err(|(key, _)| key)
        };
        assert_eq!(bad(|one| one.attempts = 0), Err("attempts"));
        assert_eq!(bad(|one| one.share = 101), Err("share"));
        assert_eq!(
            bad(|one| one.backoff_max = Duration::ZERO),
            Err("backoff_max")
        );
        assert!(AsyncPolicy::default().validate().is_ok());
    }
}
