//! `fnlocal.toml`, parsed once into types.
//!
//! Deliberately absent: what the settings of one function are after code and file are merged, which
//! is [`super::settings`].

mod env;
mod loadtest;
mod triggers;

use std::collections::BTreeMap;
use std::time::Duration;

use fnlocal_core::trigger::{ScheduleSpec, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{ByteSize, MemorySize, Rate, TimeSpan};

pub use env::{EnvConfig, LogsChoice, NodeRange, Prescale, ScaleOn};
pub use triggers::Need;
use triggers::SignatureWord;
pub use triggers::{AsyncConfig, OnConfig, SourceWord};

pub use loadtest::{ExpectConfig, LoadRequestConfig, LoadtestConfig, ScenarioConfig};

/// The file's name.
/// How long an install may take unless fnlocal.toml says otherwise.
pub const INSTALL_TIME: Duration = Duration::from_mins(10);

pub const CONFIG_FILE: &str = "fnlocal.toml";

/// All of `fnlocal.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "fnlocal.toml")]
pub struct Config {
    /// The project's name; else that of package.json or the folder.
    pub name: Option<String>,
    /// Folders that are packages, as globs relative to this file: `["services/*"]`.
    pub packages: Option<Vec<String>>,
    /// Function that answers `/` and paths no function is named by.
    pub default: Option<String>,
    /// Settings of every function, unless it says otherwise.
    pub defaults: FunctionConfig,
    /// Settings of single functions, by name.
    pub functions: BTreeMap<String, FunctionConfig>,
    /// What the project as a whole may use; `dev`, `simulate` and `promote` share it.
    pub limits: ProjectLimits,
    /// How invocations are delivered that nobody waits for, unless the function says otherwise.
    #[serde(rename = "async")]
    pub delivery: AsyncConfig,
    /// How images are built.
    pub build: BuildConfig,
    /// What is kept of what happened.
    pub logs: ProjectLogs,
    /// `fnlocal dev`.
    pub dev: DevConfig,
    /// `fnlocal loadtest`.
    pub loadtest: LoadtestConfig,
    /// Environments to promote to, by name.
    pub env: BTreeMap<String, EnvConfig>,
}

/// Settings of a function: a `[functions.NAME]` table, `[defaults]`, or `config` in code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FunctionConfig {
    /// Time to the head of a response (15s).
    pub timeout: Option<TimeSpan>,
    /// Memory of an instance (512MB).
    pub memory: Option<MemorySize>,
    /// Requests an instance may serve at once (1).
    pub concurrency: Option<u32>,
    /// Instances kept ready even when nothing arrives (0).
    pub min_instances: Option<u32>,
    /// Instances at the most (100).
    pub max_instances: Option<u32>,
    /// Requests a second (3000).
    pub rps: Option<Rate>,
    /// Requests that may come at once within `rps` (one second's worth).
    pub burst: Option<u32>,
    /// What becomes of requests over `rps` (refuse).
    pub over_rate: Option<OverRate>,
    /// Instances that may be started for waiting requests in ten seconds (no bound).
    pub start_rate: Option<u32>,
    /// Requests that may wait (1000).
    pub queue: Option<u32>,
    /// How long a request may wait (30s).
    pub queue_timeout: Option<TimeSpan>,
    /// Idle time after which an instance is paused (10s).
    pub pause_after: Option<TimeSpan>,
    /// Idle time after which an instance is stopped (10m).
    pub stop_after: Option<TimeSpan>,
    /// Size of a request's body at the most (6MB).
    pub body_limit: Option<ByteSize>,
    /// Size of a response's body at the most (no bound).
    pub response_limit: Option<ByteSize>,
    /// Whether the handler sees a parsed body or the raw stream (parsed).
    pub body: Option<BodyMode>,
    /// Variables the function needs, from `.env`, `.env.<name>` or the shell.
    pub env: Option<Vec<String>>,
    /// When to call the function by itself: a cron expression, or a table with `cron`, `timezone`
    /// (UTC), `missed` (skip, once or all) and `overlap` (false).
    #[schemars(with = "Option<serde_json::Value>")]
    pub schedule: Option<ScheduleSpec>,
    /// How its invocations are delivered that nobody waits for.
    #[serde(rename = "async")]
    pub delivery: Option<AsyncConfig>,
    /// Sources whose events call it.
    pub on: Option<Vec<OnConfig>>,
    /// Whether the handler takes `(req, res)` or a CloudEvent; its number of arguments tells when
    /// this does not.
    #[schemars(with = "Option<SignatureWord>")]
    pub signature: Option<Signature>,
}

/// What becomes of requests over the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverRate {
    /// They are answered 429, with the time after which they would not have been.
    Refuse,
    /// They wait for their turn: at most `queue` requests, none longer than `queue_timeout`.
    Queue,
}

impl From<OverRate> for fnlocal_core::OverRate {
    fn from(over: OverRate) -> Self {
        match over {
            OverRate::Refuse => Self::Refuse,
            OverRate::Queue => Self::Queue,
        }
    }
}

/// What a handler sees of a request's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyMode {
    /// JSON, forms and text, parsed by the wrapper.
    #[default]
    Parsed,
    /// Nothing is read before the handler reads it.
    Stream,
}

/// Bounds of the project as a whole, and of its queues.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectLimits {
    /// Requests of one function that may wait, unless `[defaults]` or the function says otherwise.
    pub queue: Option<u32>,
    /// How long a request may wait, unless `[defaults]` or the function says otherwise.
    pub queue_timeout: Option<TimeSpan>,
    /// Instances of all functions together, on one node.
    pub max_instances: Option<u32>,
    /// Requests a second of all functions together, on one node.
    pub rps: Option<Rate>,
    /// Requests that may come at once within `rps` (one second's worth).
    pub burst: Option<u32>,
    /// What becomes of requests over `rps` (refuse).
    pub over_rate: Option<OverRate>,
    /// Size of a request's body at the most, unless `[defaults]` or the function says otherwise.
    pub body_limit: Option<ByteSize>,
    /// Size of a response's body at the most, unless `[defaults]` or the function says otherwise.
    pub response_limit: Option<ByteSize>,
    /// Memory of a node that may be promised to instances.
    pub memory: Option<MemorySize>,
    /// Size of all waiting asynchronous invocations at the most (1GB).
    pub async_queue_size: Option<ByteSize>,
    /// How long a stream or an upgraded connection may stay silent (60s).
    pub idle_timeout: Option<TimeSpan>,
    /// How long a client may take to send a request's head, and leave a connection unused (30s).
    pub head_timeout: Option<TimeSpan>,
    /// How long a body may take to arrive that is parsed before the handler sees it (120s).
    pub body_timeout: Option<TimeSpan>,
}

/// How images are built.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BuildConfig {
    /// Image to build on.
    pub base_image: Option<String>,
    /// Whether `fnlocal dev` builds the image of the last quiet state ahead (true).
    pub background: Option<bool>,
    /// How long installing a package's dependencies may take (10m).
    pub install_timeout: Option<TimeSpan>,
}

impl BuildConfig {
    /// How long an install may take: at least a second, at most an hour.
    #[must_use]
    pub fn install_time(&self) -> Duration {
        let asked = self.install_timeout.map_or(INSTALL_TIME, |span| span.0);
        asked.clamp(Duration::from_secs(1), Duration::from_hours(1))
    }
}

/// What is kept of what happened, in `.fnlocal/logs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectLogs {
    /// Size of the log at the most; the oldest goes first (64MB).
    pub size: Option<ByteSize>,
    /// How old a record may become (7d).
    pub age: Option<TimeSpan>,
}

/// `fnlocal dev`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DevConfig {
    /// Port to listen on.
    pub port: Option<u16>,
    /// What runs instances.
    pub runtime: Option<RuntimeKind>,
    /// Booted instances kept per package for whichever function needs one next (1).
    pub spares: Option<u32>,
}

/// What runs instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeKind {
    /// Containers of a Docker engine.
    Docker,
    /// Plain processes, less isolated.
    Process,
}

/// The JSON schema of `fnlocal.toml`, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}
