//! `[loadtest]`: what `fnlocal loadtest` sends.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::values::TimeSpan;

/// The load of `fnlocal loadtest`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoadtestConfig {
    /// Scenarios, by name.
    pub scenarios: BTreeMap<String, ScenarioConfig>,
}

/// Requests that belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScenarioConfig {
    /// The time that a user waits after an answer, with `--users`.
    #[schemars(extend("default" = "0s"))]
    pub think: Option<TimeSpan>,
    /// The requests, each sent as often as its weight says.
    pub requests: Vec<LoadRequestConfig>,
}

/// A request of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadRequestConfig {
    /// The function that the request is for.
    #[schemars(extend("examples" = ["bid"]))]
    pub function: String,
    /// The share of the request, relative to the others.
    #[schemars(range(min = 1), extend("default" = 1))]
    pub weight: Option<u32>,
    /// The method. Without it, GET, or POST with a body.
    #[schemars(extend("examples" = ["POST"]))]
    pub method: Option<String>,
    /// The rest of the path after the function's name, with its query. May hold placeholders.
    #[schemars(extend("examples" = ["/items/{{seq}}"]))]
    pub path: Option<String>,
    /// The headers. Values may hold placeholders.
    #[serde(default)]
    #[schemars(extend("examples" = [{"content-type": "application/json"}]))]
    pub headers: BTreeMap<String, String>,
    /// The body. May hold placeholders: `{{seq}}`, `{{user}}`, `{{uuid}}`, `{{now}}`,
    /// `{{random 1 100}}`. `\{{` is `{{` itself.
    #[schemars(extend("examples" = ["{\"amount\": {{seq}}}"]))]
    pub body: Option<String>,
    /// A file that holds the body, relative to fnlocal.toml.
    #[schemars(extend("examples" = ["bid.json"]))]
    pub body_file: Option<String>,
    /// The time that a user waits after this answer, instead of the scenario's time.
    pub think: Option<TimeSpan>,
    /// The condition under which a response is no error. Without it, any status below 400.
    #[schemars(extend("examples" = [{"status": [201, 409]}]))]
    pub expect: Option<ExpectConfig>,
}

/// The condition under which a response is no error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectConfig {
    /// The statuses that are no error.
    #[schemars(inner(range(min = 100, max = 599)), extend("examples" = [[201, 409]]))]
    pub status: Option<Vec<u16>>,
    /// A text that the body must contain.
    #[schemars(extend("examples" = ["ok"]))]
    pub body: Option<String>,
}
