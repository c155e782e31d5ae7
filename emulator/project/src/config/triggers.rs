//! `[async]` and `[[functions.NAME.on]]`: what calls functions besides requests.

use std::time::Duration;

use fnlocal_core::trigger::{AsyncPolicy, SourceKind, SourceSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MB;
use crate::values::{ByteSize, TimeSpan};

/// The delivery of asynchronous invocations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AsyncConfig {
    /// The maximum number of runs, the first included.
    #[schemars(range(min = 1, max = 100), extend("default" = 5))]
    pub attempts: Option<u32>,
    /// The pause before the second run. The pause doubles with every run after that.
    #[schemars(range(min = 1), extend("default" = "1s"))]
    pub backoff: Option<TimeSpan>,
    /// The longest pause.
    #[schemars(range(min = 1), extend("default" = "5m"))]
    pub backoff_max: Option<TimeSpan>,
    /// The age at which an invocation is given up and becomes a dead letter.
    #[schemars(range(min = 1), extend("default" = "6h"))]
    pub max_age: Option<TimeSpan>,
    /// The time for which an idempotency key is remembered.
    #[schemars(extend("default" = "24h"))]
    pub keep_keys: Option<TimeSpan>,
    /// The part of the function's concurrency that asynchronous invocations may take.
    #[schemars(range(min = 1, max = 100), extend("default" = 50, "x-unit" = "percent"))]
    pub share: Option<u32>,
    /// Allows clients to ask for asynchronous invocations. Without the key, they may where fnlocal
    /// listens on this machine alone.
    pub from_clients: Option<bool>,
    /// The maximum size of the function's waiting invocations, bodies included.
    #[schemars(extend("minimum" = MB, "default" = "256MB"))]
    pub queue_size: Option<ByteSize>,
}

impl AsyncConfig {
    /// Lays what is said over what is there, without checking.
    pub fn lay(&self, policy: &mut AsyncPolicy) {
        let span = |place: &mut Duration, said: Option<TimeSpan>| {
            if let Some(said) = said {
                *place = said.0;
            }
        };
        policy.attempts = self.attempts.unwrap_or(policy.attempts);
        policy.share = self.share.unwrap_or(policy.share);
        policy.from_clients = self.from_clients.or(policy.from_clients);
        policy.queue_bytes = self.queue_size.map_or(policy.queue_bytes, |size| size.0);
        span(&mut policy.backoff, self.backoff);
        span(&mut policy.backoff_max, self.backoff_max);
        span(&mut policy.max_age, self.max_age);
        span(&mut policy.keep_keys, self.keep_keys);
        // A default gives way to an explicit value.
        if self.backoff_max.is_none() {
            policy.backoff_max = policy.backoff_max.max(policy.backoff);
        } else if self.backoff.is_none() {
            policy.backoff = policy.backoff.min(policy.backoff_max);
        }
    }
}

/// How a schedule is written, for the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes what `ScheduleSpec` reads")]
pub(super) enum ScheduleForm {
    /// A cron expression.
    Cron(String),
    /// A cron expression with how it is kept.
    Table(ScheduleTable),
}

/// A schedule: a cron expression with how it is kept.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "describes what `ScheduleSpec` reads")]
pub(super) struct ScheduleTable {
    /// A cron expression of five fields, or six with seconds.
    #[schemars(extend("examples" = ["0 9 * * MON"]))]
    cron: String,
    /// The time zone of the cron expression.
    #[schemars(extend("default" = "UTC", "examples" = ["Europe/Berlin"]))]
    timezone: Option<String>,
    /// The treatment of runs that were missed while fnlocal did not run. `skip` leaves all out, `once`
    /// makes one run for all of them, and `all` makes up for at most the newest 100.
    #[schemars(with = "Option<String>", extend("enum" = ["skip", "once", "all"], "default" = "skip"))]
    missed: Option<String>,
    /// Allows a run to begin before the previous one has ended.
    #[schemars(extend("default" = false))]
    overlap: Option<bool>,
}

/// A source whose events call a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnConfig {
    /// The kind of source. `folder`: a local folder as if it were a bucket. `s3`: an SQS queue with the
    /// notifications of an S3 bucket. `sqs`: an SQS queue. `postgres`: PostgreSQL with LISTEN, and a
    /// table as an outbox. `redis`: a Redis stream.
    #[schemars(with = "String", extend("enum" = SourceKind::ALL.map(SourceKind::word)))]
    pub source: SourceKind,
    /// For `folder`: the folder, relative to fnlocal.toml.
    #[schemars(extend("examples" = ["uploads"]))]
    pub folder: Option<String>,
    /// For `sqs` and `s3`: the URL of the queue.
    #[schemars(extend("examples" = ["https://sqs.eu-west-1.amazonaws.com/123456789012/packs"]))]
    pub queue: Option<String>,
    /// For `redis`: the key of the stream.
    #[schemars(extend("examples" = ["orders"]))]
    pub stream: Option<String>,
    /// For `redis`: the consumer group. Without it, the project's name.
    #[schemars(extend("examples" = ["shop"]))]
    pub group: Option<String>,
    /// For `postgres`: the channel.
    #[schemars(extend("examples" = ["orders"]))]
    pub channel: Option<String>,
    /// For `postgres`: the table that events are written to, so that none is lost while nothing
    /// listens.
    #[schemars(extend("examples" = ["orders_outbox"]))]
    pub outbox: Option<String>,
    /// For `postgres` and `redis`: where the server is. For `sqs` and `s3`: an endpoint other than
    /// AWS.
    #[schemars(extend("examples" = ["redis://localhost:6379"]))]
    pub url: Option<String>,
    /// The variable that holds the URL, from `.env`, `.env.ENVIRONMENT` or the shell. One that only
    /// `config` in code names is not taken from the shell.
    #[schemars(extend("examples" = ["DATABASE_URL"]))]
    pub url_env: Option<String>,
    /// The maximum number of events taken at once. Without it, 10 for `sqs` and `s3`, which is also
    /// their maximum, and 100 for others.
    #[schemars(range(min = 1, max = 1000), extend("examples" = [10]))]
    pub batch: Option<u32>,
    /// For `sqs` and `s3`: the time for which the queue hides what was taken.
    #[schemars(extend("default" = "30s"))]
    pub visibility: Option<TimeSpan>,
}

impl OnConfig {
    /// As the release has it.
    pub fn spec(&self) -> SourceSpec {
        let name = [&self.folder, &self.queue, &self.stream, &self.channel];
        let name = name.into_iter().flatten().next();
        SourceSpec {
            source: self.source,
            name: name.cloned().unwrap_or_default(),
            url: self.url.clone(),
            url_env: self.url_env.clone(),
            group: self.group.clone(),
            outbox: self.outbox.clone(),
            batch: self
                .batch
                .unwrap_or_else(|| self.source.max_batch().min(100)),
            visibility: self
                .visibility
                .map_or(Duration::from_secs(30), |span| span.0),
        }
    }

    /// The keys of sources, with whether each is said.
    pub fn keys(&self) -> [(&'static str, bool); 9] {
        [
            ("folder", self.folder.is_some()),
            ("queue", self.queue.is_some()),
            ("stream", self.stream.is_some()),
            ("channel", self.channel.is_some()),
            ("group", self.group.is_some()),
            ("outbox", self.outbox.is_some()),
            ("visibility", self.visibility.is_some()),
            ("url", self.url.is_some()),
            ("url_env", self.url_env.is_some()),
        ]
    }
}

/// The keys that a kind of source needs.
pub const fn needed_keys(kind: SourceKind) -> &'static [&'static str] {
    match kind {
        SourceKind::Folder => &["folder"],
        SourceKind::Sqs | SourceKind::S3 => &["queue"],
        SourceKind::Postgres => &["channel"],
        SourceKind::Redis => &["stream"],
    }
}

/// The keys that a kind of source may have besides.
pub const fn optional_keys(kind: SourceKind) -> &'static [&'static str] {
    match kind {
        SourceKind::Folder => &[],
        SourceKind::Sqs | SourceKind::S3 => &["visibility", "url", "url_env"],
        SourceKind::Postgres => &["outbox", "url", "url_env"],
        SourceKind::Redis => &["group", "url", "url_env"],
    }
}

/// Returns whether a kind of source is on a server whose URL is required.
pub const fn needs_url(kind: SourceKind) -> bool {
    match kind {
        SourceKind::Postgres | SourceKind::Redis => true,
        SourceKind::Folder | SourceKind::Sqs | SourceKind::S3 => false,
    }
}
