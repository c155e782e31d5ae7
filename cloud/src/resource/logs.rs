//! Where nodes write what they have to say.

use serde::{Deserialize, Serialize};

/// CloudWatch log group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Its name.
    pub name: String,
    /// Days a record is kept; 0 for ever.
    pub days: u32,
}
