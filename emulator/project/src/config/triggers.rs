//! `[async]` and `[[functions.NAME.on]]`: what calls functions besides requests.

use std::time::Duration;

use fnlocal_core::trigger::{AsyncPolicy, SourceKind, SourceSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{ByteSize, TimeSpan};

/// How invocations are delivered that nobody waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AsyncConfig {
    /// Runs at the most, the first included (5).
    pub attempts: Option<u32>,
    /// Pause before the second run, doubled with every run after that (1s).
    pub backoff: Option<TimeSpan>,
    /// The longest pause (5m).
    pub backoff_max: Option<TimeSpan>,
    /// Time after which an invocation is given up (6h).
    pub max_age: Option<TimeSpan>,
    /// How long an idempotency key is remembered (24h).
    pub keep_keys: Option<TimeSpan>,
    /// Part of the function's places that such work may take, in percent (50).
    pub share: Option<u32>,
    /// Whether requests of clients may ask for it (only where fnlocal listens on this machine
    /// alone).
    pub from_clients: Option<bool>,
    /// Size of all waiting invocations of the function at the most (256MB).
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
        // What is not said gives way to what is.
        if self.backoff_max.is_none() {
            policy.backoff_max = policy.backoff_max.max(policy.backoff);
        } else if self.backoff.is_none() {
            policy.backoff = policy.backoff.min(policy.backoff_max);
        }
    }
}

/// What a handler takes, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "only described")]
pub(super) enum SignatureWord {
    /// `(req, res)`.
    Http,
    /// A CloudEvent.
    Event,
}

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceWord {
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

impl From<SourceWord> for SourceKind {
    fn from(word: SourceWord) -> Self {
        match word {
            SourceWord::Folder => Self::Folder,
            SourceWord::S3 => Self::S3,
            SourceWord::Sqs => Self::Sqs,
            SourceWord::Postgres => Self::Postgres,
            SourceWord::Redis => Self::Redis,
        }
    }
}

/// A source whose events call a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnConfig {
    /// What it is.
    pub source: SourceWord,
    /// `folder`: the folder, relative to fnlocal.toml.
    pub folder: Option<String>,
    /// `sqs` and `s3`: the queue's URL.
    pub queue: Option<String>,
    /// `redis`: the stream's key.
    pub stream: Option<String>,
    /// `redis`: the consumer group (the project's name).
    pub group: Option<String>,
    /// `postgres`: the channel.
    pub channel: Option<String>,
    /// `postgres`: the table events are written to, so that none is lost while nobody listens.
    pub outbox: Option<String>,
    /// `postgres` and `redis`: where the server is; `sqs` and `s3`: an endpoint other than AWS.
    pub url: Option<String>,
    /// The variable that holds the URL, from `.env`, `.env.<name>` or the shell.
    /// Named in code only, it is not taken from the shell.
    pub url_env: Option<String>,
    /// Events taken at once, at the most (10 for `sqs` and `s3`, else 100).
    pub batch: Option<u32>,
    /// `sqs` and `s3`: time for which the queue hides what was taken (30s).
    pub visibility: Option<TimeSpan>,
}

impl OnConfig {
    /// As the release has it.
    pub fn spec(&self) -> SourceSpec {
        let name = [&self.folder, &self.queue, &self.stream, &self.channel];
        let name = name.into_iter().flatten().next();
        SourceSpec {
            source: self.source.into(),
            name: name.cloned().unwrap_or_default(),
            url: self.url.clone(),
            url_env: self.url_env.clone(),
            group: self.group.clone(),
            outbox: self.outbox.clone(),
            batch: self.batch.unwrap_or_else(|| self.most().min(100)),
            visibility: self
                .visibility
                .map_or(Duration::from_secs(30), |span| span.0),
        }
    }

    /// Events that may be taken at once.
    pub fn most(&self) -> u32 {
        match self.source {
            SourceWord::Sqs | SourceWord::S3 => 10,
            _ => 1000,
        }
    }

    /// The keys that are said, with whether this kind of source needs, knows or does not know them.
    pub fn keys(&self) -> [(&'static str, bool, Need); 9] {
        use SourceWord::{Folder, Postgres, Redis, S3, Sqs};
        let server = match self.source {
            Postgres | Redis | Sqs | S3 => Need::May,
            Folder => Need::Not,
        };
        let only = |kinds: &[SourceWord], need: Need| {
            if kinds.contains(&self.source) {
                need
            } else {
                Need::Not
            }
        };
        [
            ("folder", self.folder.is_some(), only(&[Folder], Need::Must)),
            ("queue", self.queue.is_some(), only(&[Sqs, S3], Need::Must)),
            ("stream", self.stream.is_some(), only(&[Redis], Need::Must)),
            (
                "channel",
                self.channel.is_some(),
                only(&[Postgres], Need::Must),
            ),
            ("group", self.group.is_some(), only(&[Redis], Need::May)),
            (
                "outbox",
                self.outbox.is_some(),
                only(&[Postgres], Need::May),
            ),
            (
                "visibility",
                self.visibility.is_some(),
                only(&[Sqs, S3], Need::May),
            ),
            ("url", self.url.is_some(), server),
            ("url_env", self.url_env.is_some(), server),
        ]
    }
}

/// Whether a kind of source has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be said.
    Must,
    /// It may be said.
    May,
    /// There is no such thing.
    Not,
}
