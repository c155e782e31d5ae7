//! AWS itself, one file a service. This module does what a plan says and reports the state; it
//! decides nothing.

mod apply_step;
mod balancer;
pub(crate) mod causes;
pub(crate) mod diagnosis;
pub(crate) mod ecr;
pub(crate) mod failure;
mod firewall;
mod group;
mod identity;
mod ids;
mod logs;
mod machines;
mod network;
mod profile;
mod read;
mod refresh;
mod role;
mod scaling;
mod scheduler;
mod sqs;
mod ssm;
mod template;

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_types::retry::RetryConfig;
use backon::ExponentialBuilder;

use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::{AccountRegion, OwnerTags, ResourceOwner};
use crate::names::{ENV_TAG, PROJECT_TAG, REGION_TAG, ResourceNames};
use crate::registry::RemoteRegistry;

use diagnosis::client;
pub use identity::{Identity, identity};
pub use ids::Ids;

/// Attempts of one call when AWS is busy or the connection is lost.
const ATTEMPTS: u32 = 8;

/// How long to wait for what AWS does by and by.
#[derive(Clone, Copy, Debug)]
pub struct PollPace {
    /// Time between two looks at something that takes minutes.
    pub poll: Duration,
    /// First time between two attempts at something AWS has not noticed yet; it doubles.
    pub settle: Duration,
    /// Number of such attempts.
    pub attempts: usize,
    /// Looks at something that takes minutes, until it is given up.
    pub looks: u32,
}

impl Default for PollPace {
    /// As AWS needs it: roles are known everywhere within seconds, a balancer's network interfaces
    /// go within minutes, nodes are replaced within an hour.
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(10),
            settle: Duration::from_millis(500),
            attempts: 12,
            looks: 360,
        }
    }
}

/// The services, for one environment.
#[derive(Clone, Debug)]
pub struct Aws {
    names: ResourceNames,
    place: AccountRegion,
    pace: PollPace,
    autoscaling: aws_sdk_autoscaling::Client,
    ec2: aws_sdk_ec2::Client,
    ecr: aws_sdk_ecr::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    iam: aws_sdk_iam::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    scheduler: aws_sdk_scheduler::Client,
    sqs: aws_sdk_sqs::Client,
    ssm: aws_sdk_ssm::Client,
    registry: RemoteRegistry,
}

/// Returns the configuration of this machine: environment, profiles, single sign-on, roles of CI.
pub async fn configuration(region: Option<&str>) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let loader = match region {
        Some(region) => loader.region(Region::new(region.to_owned())),
        None => loader,
    };
    loader.load().await
}

impl Aws {
    /// Finds out who asks and where, and logs in to the registry.
    ///
    /// # Errors
    /// No region, no or expired credentials, no permission, no connection.
    pub async fn connect(
        config: &SdkConfig,
        names: ResourceNames,
        pace: PollPace,
    ) -> Result<Self, CloudError> {
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(
                CloudError::new(CloudErrorKind::Config, "no AWS region is named").hint(format!(
                    "write `region = \"eu-west-1\"` in [env.{}] of fnlocal.toml",
                    names.env()
                )),
            );
        };
        let retry = RetryConfig::standard().with_initial_backoff(pace.settle);
        let patient = retry.clone().with_max_attempts(ATTEMPTS);
        let hasty = &config.clone().into_builder().retry_config(retry).build();
        let config = &config.clone().into_builder().retry_config(patient).build();
        // A machine that is offline, or unknown to AWS, fails soon.
        let sts = client!(aws_sdk_sts, hasty);
        let at_first = client!(aws_sdk_ecr, hasty);
        let (caller, login) = tokio::join!(identity::caller(&sts), ecr::login(&at_first));
        let (caller, login) = (caller?, login?);
        let place = AccountRegion {
            partition: caller.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            account: caller.account,
            region,
            registry: login.host(),
        };
        let registry = RemoteRegistry::new(&login, &names.repository()).await?;
        Ok(Self {
            names,
            place,
            pace,
            autoscaling: client!(aws_sdk_autoscaling, config),
            ec2: client!(aws_sdk_ec2, config),
            ecr: client!(aws_sdk_ecr, config),
            elb: client!(aws_sdk_elasticloadbalancingv2, config),
            iam: client!(aws_sdk_iam, config),
            logs: client!(aws_sdk_cloudwatchlogs, config),
            scheduler: client!(aws_sdk_scheduler, config),
            sqs: client!(aws_sdk_sqs, config),
            ssm: client!(aws_sdk_ssm, config),
            registry,
        })
    }

    /// The account and region.
    #[must_use]
    pub fn place(&self) -> &AccountRegion {
        &self.place
    }

    /// The names of the environment's resources.
    #[must_use]
    pub fn names(&self) -> &ResourceNames {
        &self.names
    }

    /// The registry of images and releases.
    #[must_use]
    pub fn registry(&self) -> &RemoteRegistry {
        &self.registry
    }

    /// The tags of all that is ours.
    fn tags(&self) -> [(&'static str, String); 3] {
        [
            (PROJECT_TAG, self.names.project().to_owned()),
            (ENV_TAG, self.names.env().to_owned()),
            (REGION_TAG, self.place.region.clone()),
        ]
    }

    /// Whose something with these tags is.
    fn owner<'a>(&self, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> ResourceOwner {
        let mut owner = OwnerTags::default();
        for (key, value) in tags {
            match key {
                PROJECT_TAG => owner.project = Some(value),
                ENV_TAG => owner.env = Some(value),
                REGION_TAG => owner.region = Some(value),
                _ => {}
            }
        }
        ResourceOwner::from_tags(&self.names, &self.place.region, &owner)
    }

    /// Attempts at what AWS may refuse because it has not noticed something made before.
    fn settling(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.pace.settle)
            .with_max_delay(self.pace.poll)
            .with_max_times(self.pace.attempts)
    }

    fn arn(&self, service: &str, what: &str) -> String {
        let AccountRegion {
            partition,
            account,
            region,
            ..
        } = &self.place;
        format!("arn:{partition}:{service}:{region}:{account}:{what}")
    }
}

/// The result of a create.
enum Creation {
    /// The resource is new, with its id on AWS.
    New(String),
    /// The resource existed already, or a lost answer to this very call created it.
    There,
}

// A call's future is many kilobytes; on the heap, so that nested ones do not fill a thread's stack.
/// `$call.send()`, with an error that names the action; repeated while AWS answers with one of the
/// codes that mean it has not noticed something made before.
macro_rules! settled {
    ($aws:expr, $action:literal, [$($code:literal),+], $call:expr) => {{
        use backon::Retryable;
        let call = $call;
        (|| Box::pin(call.clone().send()))
            .retry($aws.settling())
            .when(|error| {
                let code = aws_smithy_types::error::metadata::ProvideErrorMetadata::code(error);
                matches!(code, $(Some($code))|+)
            })
            .await
            .map_err(|error| $crate::aws::failure::failed($action, error))
    }};
}
/// `$call.send()`, with an error that names the action.
macro_rules! called {
    ($action:literal, $call:expr) => {
        Box::pin($call.send())
            .await
            .map_err(|error| $crate::aws::failure::failed($action, error))
    };
}
/// Like [`called`], but nothing instead of an error when there is no such thing.
macro_rules! found {
    ($action:literal, [$($code:literal),+], $call:expr) => {
        match Box::pin($call.send()).await {
            Ok(output) => Ok(Some(output)),
            Err(error) => {
                let code = aws_smithy_types::error::metadata::ProvideErrorMetadata::code(&error);
                match code {
                    $(Some($code))|+ => Ok(None),
                    _ => Err($crate::aws::failure::failed($action, error)),
                }
            }
        }
    };
}
pub(crate) use called;
use {found, settled};
