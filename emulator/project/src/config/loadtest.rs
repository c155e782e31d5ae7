//! `[loadtest]`: what `fnlocal loadtest` sends.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::values::TimeSpan;

/// `fnlocal loadtest`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoadtestConfig {
    /// What can be sent, by name.
    pub scenarios: BTreeMap<String, ScenarioConfig>,
}

/// Requests that belong together: `[loadtest.scenarios.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScenarioConfig {
    /// How long a user waits after an answer, with `--users` (0).
    pub think: Option<TimeSpan>,
    /// What is sent; each of them as often as its weight says.
    pub requests: Vec<LoadRequestConfig>,
}

/// A request of a scenario: `[[loadtest.scenarios.NAME.requests]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadRequestConfig {
    /// The function it is for.
    pub function: String,
    /// How often it is sent, relative to the others (1).
    #[serde(default)]
    pub weight: Option<u32>,
    /// Its method (GET, or POST with a body).
    #[serde(default)]
    pub method: Option<String>,
    /// What follows the function's name in the path, with its query. May hold placeholders.
    #[serde(default)]
    pub path: Option<String>,
    /// Its headers. Values may hold placeholders.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its body. May hold placeholders: `{{seq}}`, `{{user}}`, `{{uuid}}`, `{{now}}`,
    /// `{{random 1 100}}`.
    #[serde(default)]
    pub body: Option<String>,
    /// A file that holds the body, relative to fnlocal.toml.
    #[serde(default)]
    pub body_file: Option<String>,
    /// How long a user waits after this answer, instead of the scenario's time.
    #[serde(default)]
    pub think: Option<TimeSpan>,
    /// What an answer must be, to be no error (any status below 400).
    #[serde(default)]
    pub expect: Option<ExpectConfig>,
}

/// What an answer must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectConfig {
    /// One of these statuses.
    pub status: Option<Vec<u16>>,
    /// A text its body must contain.
    pub body: Option<String>,
}
