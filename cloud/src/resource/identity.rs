//! By what nodes are known: to AWS, and to each other.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Key by which nodes know each other. Its value is nobody's business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerKey {
    /// The parameter's name.
    pub name: String,
}

/// IAM role with one policy of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IamRole {
    /// Its name.
    pub name: String,
    /// The principals that may take the role.
    pub trust: Value,
    /// The role's permissions; null while the role has no policy.
    pub policy: Value,
}

/// IAM instance profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// Its name.
    pub name: String,
    /// The role in it.
    pub role: Option<String>,
}
