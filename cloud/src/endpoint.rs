//! Where requests to an environment come in.

use serde::{Deserialize, Serialize};

use crate::environment::CloudEnvironment;
use crate::error::{CloudError, CloudErrorKind};
use crate::names::ResourceNames;

/// The balancer as callers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its public name.
    pub address: String,
    /// `true` for HTTPS.
    pub secure: bool,
    /// When it was made, in seconds since 1970.
    pub since: Option<i64>,
}

impl Endpoint {
    /// The URL to call, without a slash at its end: by the environment's own domain, if it has one.
    #[must_use]
    pub fn url(&self, env: &CloudEnvironment) -> String {
        let host = env.domain.as_deref().unwrap_or(&self.address);
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{host}")
    }
}

/// Returns the error of an environment without an endpoint.
#[must_use]
pub fn none(names: &ResourceNames) -> CloudError {
    let env = names.env();
    CloudError::new(
        CloudErrorKind::Failed,
        format!("nothing is promoted to `{env}`"),
    )
    .hint(format!("`fnlocal promote --env {env}` does it"))
}
