//! The errors of AWS, for people.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::causes::{causes, credentials};
use crate::error::{CloudError, CloudErrorKind};
use crate::policy;

/// An error for people, of a call that the policy names `action`.
pub(crate) fn failed<E, R>(action: &'static str, error: SdkError<E, R>) -> CloudError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let service = match &error {
        SdkError::ServiceError(_) => error.code().zip(error.message().or(Some(""))),
        _ => None,
    };
    if let Some((code, message)) = service {
        return answered(action, code, message);
    }
    let text = causes(&error);
    match credentials(&error) {
        Some(CredentialsError::CredentialsNotLoaded(_)) => {
            return CloudError::new(CloudErrorKind::Unreachable, "there are no AWS credentials")
                .hint("run `aws login`, `aws sso login` or `aws configure`, or set AWS_PROFILE");
        }
        Some(_) => {
            let what = "the AWS credentials cannot be read";
            return CloudError::new(CloudErrorKind::Unreachable, what)
                .because(text)
                .hint(
                    "run `aws login` or `aws sso login`, or look at AWS_PROFILE and ~/.aws/config",
                );
        }
        None => {}
    }
    CloudError::new(CloudErrorKind::Unreachable, format!("AWS did not answer {action}"))
        .because(text)
        .hint("check the connection and the region's name, then run the command again: it goes on where it stopped")
}

fn answered(action: &'static str, code: &str, message: &str) -> CloudError {
    let because = format!("{code}: {message}");
    let error = |kind, what: String| CloudError::new(kind, what).because(because.clone());
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => error(
            CloudErrorKind::Unreachable,
            "the AWS credentials have expired".to_owned(),
        )
        .hint("run `aws sso login` or get new ones, and look at this machine's clock"),
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "AuthFailure"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException" => error(
            CloudErrorKind::Unreachable,
            "AWS does not accept the credentials".to_owned(),
        )
        .hint("they may be of another account, or the region may not be enabled in this one"),
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => error(
            CloudErrorKind::Failed,
            format!("AWS does not let you call {action}"),
        )
        .hint(policy::hint(action)),
        _ if is_quota(code) => error(
            CloudErrorKind::Failed,
            format!("{action} meets a quota of the account"),
        )
        .hint("ask for more under Service Quotas, or delete what is not needed"),
        _ if is_busy(code) => error(
            CloudErrorKind::TryAgain,
            format!("AWS is too busy for {action}"),
        )
        .hint("run the command again: it goes on where it stopped"),
        "InvalidAMIID.NotFound" | "InvalidAMIID.Malformed" => error(
            CloudErrorKind::Config,
            "the machine image is not in this region".to_owned(),
        )
        .hint("run the command again with `--renew`"),
        "InvalidInstanceType" => error(
            CloudErrorKind::Config,
            "the region has no such instance type".to_owned(),
        )
        .hint("name another `instance_type`"),
        "InvalidSubnetID.NotFound" => error(
            CloudErrorKind::Config,
            "a subnet is not in this region".to_owned(),
        )
        .hint("look at `subnets` and `region`"),
        "CertificateNotFound" => error(
            CloudErrorKind::Config,
            "the certificate is not in this region".to_owned(),
        )
        .hint("look at `certificate` and `region`"),
        _ => error(CloudErrorKind::Failed, format!("AWS refused {action}"))
            .hint("run the command again: it goes on where it stopped"),
    }
}

fn is_quota(code: &str) -> bool {
    code.contains("LimitExceeded") && !code.starts_with("Request")
        || code.starts_with("TooMany") && code != "TooManyRequestsException"
        || matches!(code, "LimitExceeded" | "ServiceQuotaExceededException")
}

fn is_busy(code: &str) -> bool {
    code.starts_with("Throttling")
        || matches!(
            code,
            "RequestLimitExceeded"
                | "TooManyRequestsException"
                | "ServiceUnavailable"
                | "InternalError"
                | "InternalFailure"
                | "ServerException"
                | "Unavailable"
                | "ResourceContention"
                | "ScalingActivityInProgress"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_call_names_its_action_and_the_line_of_the_policy() {
        let error = answered("ecr:CreateRepository", "AccessDeniedException", "no");
        assert!(error.to_string().contains("ecr:CreateRepository"));
        let hint = error.hint.unwrap();
        assert!(hint.contains("line "), "{hint}");
    }

    #[test]
    fn quota_and_throttling_errors_are_distinguished() {
        let kind = |code| answered("ec2:CreateSecurityGroup", code, "").kind;
        assert_eq!(kind("SecurityGroupLimitExceeded"), CloudErrorKind::Failed);
        assert_eq!(kind("TooManyLoadBalancers"), CloudErrorKind::Failed);
        assert_eq!(kind("RequestLimitExceeded"), CloudErrorKind::TryAgain);
        assert_eq!(kind("ThrottlingException"), CloudErrorKind::TryAgain);
        assert_eq!(kind("ExpiredToken"), CloudErrorKind::Unreachable);
    }
}
