//! Connections to what plays AWS.

#[path = "../aws/play.rs"]
mod plain;

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::Credentials;
use fnlocal_cloud::ResourceNames;
use fnlocal_cloud::aws::{Aws, PollPace};

pub use plain::Play;

impl Play {
    /// Starts a server that plays AWS, with the values of the project's variables.
    pub async fn with_values() -> Self {
        let play = Self::start();
        for env in ["prod", "staging"] {
            play.parameter(&format!("/fnlocal/shop/{env}/REDIS_URL"))
                .await;
        }
        play
    }

    /// A connection as the product makes it, but to the play.
    pub async fn aws(&self, project: &str, env: &str) -> Aws {
        let config = self.config().await;
        let names = ResourceNames::new(project, env).unwrap();
        Aws::connect(&config, names, pace()).await.unwrap()
    }

    pub async fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("AKIDPLAY", "secret", None, None, "play");
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(self.endpoint())
            .credentials_provider(credentials)
            .load()
            .await
    }
}

/// As fast as a play can be.
pub fn pace() -> PollPace {
    PollPace {
        poll: Duration::from_millis(5),
        settle: Duration::from_millis(2),
        attempts: 3,
        looks: 50,
    }
}
