//! The description of `fnlocal.toml`: every key with its text, unit, default and bounds.
//!
//! All else that knows keys comes from these types: the parser, the check of bounds and of unknown
//! keys ([`mod@super::schema`]), the JSON schema, `docs/configuration.md`, and the types of `config` in
//! code. Of a field they read:
//!
//! - the doc comment: what the key means,
//! - `range`: the bounds, in milliseconds for a [`TimeSpan`] and in MiB for a `MemorySize`;
//!   `extend("minimum")` in bytes for a [`ByteSize`],
//! - `extend("default")`: what applies without the key, as it is written in the file,
//! - `extend("x-unit")`: the unit of a bare number,
//! - `extend("examples")`: a value for the reference, where neither default nor type shows one.
//!
//! Deliberately absent: what the settings of one function are after code and file are merged, which
//! is [`super::settings`].

mod env;
mod function;
mod limits;
mod loadtest;
mod route;
mod triggers;

use std::collections::BTreeMap;
use std::time::Duration;

use fnlocal_core::route_table::RouteSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{AddressRange, ByteSize, TimeSpan};

pub use env::{EnvConfig, LogsChoice, NodeRangeConfig, PrescaleConfig, ScaleOnConfig};
pub use function::{BodyMode, FunctionConfig};
pub use limits::LimitsConfig;
pub use loadtest::{ExpectConfig, LoadRequestConfig, LoadtestConfig, ScenarioConfig};
pub use route::RouteConfig;
pub use triggers::{AsyncConfig, OnConfig, needed_keys, needs_url, optional_keys};

/// The file's name.
pub const CONFIG_FILE: &str = "fnlocal.toml";

/// The time that an install may take unless fnlocal.toml says otherwise.
pub const INSTALL_TIME: Duration = Duration::from_mins(10);

/// An hour, for bounds of a [`TimeSpan`].
const HOUR_MS: u32 = 3_600_000;
/// A megabyte, for bounds of a [`ByteSize`].
const MB: u32 = 1 << 20;
/// The maximum of `queue`, wherever it stands.
const MAX_QUEUE: u32 = 100_000;

/// The file as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "fnlocal.toml")]
pub struct Config {
    /// The project's name. Without it, that of package.json or of the folder.
    #[schemars(extend("examples" = ["shop"]))]
    pub name: Option<String>,
    /// Folders that are packages, as globs relative to this file.
    #[schemars(extend("examples" = [["services/*"]]))]
    pub packages: Option<Vec<String>>,
    /// Files that export functions, relative to this file. A package that has some of them has no
    /// other entries. Without the key, `main` of package.json, `index`, or the files in `functions`,
    /// `api` or `netlify/functions`.
    #[schemars(extend("examples" = [["src/users.js", "src/orders.js"]]))]
    pub entries: Option<Vec<String>>,
    /// The function that answers `/` and paths that name no function.
    #[schemars(extend("examples" = ["home"]))]
    pub default: Option<String>,
    /// Expands `$NAME`, `${NAME}` and `${NAME:-else}` in values of `.env` files to variables that
    /// are set above or in a file before. Not in single quotes; `\$` is a dollar sign.
    #[schemars(extend("default" = false))]
    pub env_expand: Option<bool>,
    /// Settings of every function, unless the function says otherwise.
    pub defaults: FunctionConfig,
    /// Settings of single functions, by name.
    pub functions: BTreeMap<String, FunctionConfig>,
    /// Paths with parameters that lead to functions. The most specific path that fits is taken,
    /// whatever its place; a function's own `/NAME` comes before paths that begin with a parameter.
    #[schemars(extend("examples" = [[{"path": "/users/{id}", "methods": ["GET"], "function": "users"}]]))]
    pub routes: Vec<RouteConfig>,
    /// Limits of the project as a whole.
    pub limits: LimitsConfig,
    /// The delivery of asynchronous invocations, unless the function says otherwise.
    #[serde(rename = "async")]
    pub delivery: AsyncConfig,
    /// The build of images.
    pub build: BuildConfig,
    /// The bounds of the log.
    pub logs: ProjectLogs,
    /// Settings of `fnlocal dev`.
    pub dev: DevConfig,
    /// The load of `fnlocal loadtest`.
    pub loadtest: LoadtestConfig,
    /// Environments to promote to, by name.
    pub env: BTreeMap<String, EnvConfig>,
}

impl Config {
    /// The routes, as they are served.
    #[must_use]
    pub fn route_specs(&self) -> Vec<RouteSpec> {
        self.routes.iter().map(RouteConfig::spec).collect()
    }
}

/// The build of images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildConfig {
    /// The image to build on.
    #[schemars(extend("default" = fnlocal_language::usual().base_image()))]
    pub base_image: Option<String>,
    /// Lets `fnlocal dev` build the image of the last quiet state in advance.
    #[schemars(extend("default" = true))]
    pub background: Option<bool>,
    /// The maximum time that installing a package's dependencies may take.
    #[schemars(range(min = 1000, max = HOUR_MS), extend("default" = "10m"))]
    pub install_timeout: Option<TimeSpan>,
}

impl BuildConfig {
    /// The time that an install may take.
    #[must_use]
    pub fn install_time(&self) -> Duration {
        self.install_timeout.map_or(INSTALL_TIME, |span| span.0)
    }
}

/// The log in `.fnlocal/logs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectLogs {
    /// The maximum size of the log. The oldest records are removed first.
    #[schemars(extend("minimum" = MB, "default" = "64MB"))]
    pub size: Option<ByteSize>,
    /// The age at which a record is removed.
    #[schemars(range(min = 60_000), extend("default" = "7d"))]
    pub age: Option<TimeSpan>,
}

/// Settings of `fnlocal dev` and `fnlocal up`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DevConfig {
    /// The port to listen on.
    #[schemars(extend("default" = 9000))]
    pub port: Option<u16>,
    /// The runtime of instances. Without the key, a Docker engine if there is one.
    pub runtime: Option<RuntimeKind>,
    /// The number of spares that are kept per package.
    #[schemars(extend("default" = 1))]
    pub spares: Option<u32>,
    /// The proxies whose `x-forwarded-*` headers are believed, such as a tunnel or nginx in front.
    /// Those of other clients are replaced. An empty list believes none.
    #[schemars(length(max = 1000), extend("default" = ["127.0.0.0/8", "::1/128"]))]
    pub trusted_proxies: Option<Vec<AddressRange>>,
}

/// The runtime of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeKind {
    /// Containers of a Docker engine.
    Docker,
    /// Plain processes, which are less isolated.
    Process,
}
