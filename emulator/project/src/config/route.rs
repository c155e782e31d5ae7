//! `[[routes]]`: paths that lead to functions.

use fnlocal_core::route_table::RouteSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A path that leads to a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The path. A segment such as `{id}` is a parameter, and a last segment `{rest+}` takes all that
    /// is left.
    #[schemars(extend("examples" = ["/users/{id}"]))]
    pub path: String,
    /// The methods, in capitals. Without the key, all methods.
    #[schemars(extend("examples" = [["GET", "POST"]]))]
    pub methods: Option<Vec<String>>,
    /// The function's name.
    #[schemars(extend("examples" = ["users"]))]
    pub function: String,
}

impl RouteConfig {
    /// The route, as it is served.
    #[must_use]
    pub fn spec(&self) -> RouteSpec {
        RouteSpec {
            path: self.path.clone(),
            methods: self.methods.clone().unwrap_or_default(),
            function: self.function.clone(),
        }
    }
}
