//! Where an environment answers: from its name to a URL, in one place.

use std::path::Path;

use super::CloudTarget;
use crate::error::CliError;

/// The URL of an environment of the project in a folder, without a slash at its end. The balancer
/// is found by its name and its tags; it is not looked at whether anybody answers there.
pub async fn base_url(folder: &Path, env: &str) -> Result<String, CliError> {
    let place = CloudTarget::open(folder, Some(env))?;
    let aws = place.connect().await?;
    Ok(aws.door().await?.url(&place.env))
}
