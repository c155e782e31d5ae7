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
    caller(&sts).await
}

/// Asks a client for the identity that its calls have.
pub(super) async fn caller(sts: &aws_sdk_sts::Client) -> Result<Identity, CloudError> {
    match sts.get_caller_identity().send().await {
        Ok(caller) => Ok(Identity {
            account: caller.account().unwrap_or_default().to_owned(),
            arn: caller.arn().unwrap_or_default().to_owned(),
        }),
        Err(error) => {
            let error = failed("sts:GetCallerIdentity", error);
            Err(match profile_with_mfa().await {
                Some(profile) => needs_mfa(&profile).because(error),
                None => error,
            })
        }
    }
}

/// Returns the name of the profile in use if it wants a code of an MFA device, for which the SDK
/// does not ask.
async fn profile_with_mfa() -> Option<String> {
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_some() {
        return None;
    }
    let (fs, env, files) = Default::default();
    let profiles = aws_config::profile::load(&fs, &env, &files, None)
        .await
        .ok()?;
    profiles.get("mfa_serial")?;
    Some(profiles.selected_profile().to_owned())
}

fn needs_mfa(profile: &str) -> CloudError {
    let what = format!("the AWS profile `{profile}` wants a code of an MFA device");
    CloudError::new(CloudErrorKind::Unreachable, what).hint(format!(
        "run `eval \"$(aws configure export-credentials --profile {profile} --format env)\"`, which asks for \
         the code, then the command again"
    ))
}
