//! The identity that AWS gives this machine.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::diagnosis::client;
use super::failure::failed;
use crate::error::{CloudError, CloudErrorKind};

/// Time AWS may take to say so: somebody waits for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The identity that AWS gives this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account's number.
    pub account: String,
    /// The user or role.
    pub arn: String,
}

/// Asks once, without a second attempt.
///
/// # Errors
/// No region, no or expired credentials, no connection within five seconds.
pub async fn identity(config: &SdkConfig) -> Result<Identity, CloudError> {
    if config.region().is_none() {
        return Err(
            CloudError::new(CloudErrorKind::Config, "no AWS region is named")
                .hint("set AWS_REGION"),
        );
    }
    let timeout = TimeoutConfig::builder()
        .operation_timeout(ANSWER_TIMEOUT)
        .build();
    let config = config
        .clone()
        .into_builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeout)
        .build();
    let sts = client!(aws_sdk_sts, &config);
    let caller = sts.get_caller_identity().send().await;
    let caller = caller.map_err(|error| failed("sts:GetCallerIdentity", error))?;
    Ok(Identity {
        account: caller.account().unwrap_or_default().to_owned(),
        arn: caller.arn().unwrap_or_default().to_owned(),
    })
}
