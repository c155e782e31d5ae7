//! The machine a node runs on, as its metadata service (IMDSv2) tells.

use std::net::IpAddr;

use aws_config::imds::client::Client;
use aws_config::imds::client::error::ImdsError;

use crate::aws::causes::causes;
use crate::error::{CloudError, CloudErrorKind};

/// The machine itself.
#[derive(Clone, Debug)]
pub struct ThisMachine {
    /// EC2's name for it.
    pub id: String,
    /// The zone it is in.
    pub zone: String,
    /// Its private address.
    pub address: IpAddr,
    metadata: Client,
}

impl ThisMachine {
    /// Asks the metadata service; `AWS_EC2_METADATA_SERVICE_ENDPOINT` names another than the usual.
    ///
    /// # Errors
    /// Fails if the metadata service does not answer: this is no EC2 machine, or one that keeps the
    /// service from its containers.
    pub async fn find() -> Result<Self, CloudError> {
        let metadata = Client::builder().build();
        let get = async |path: &str| {
            let found = metadata.get(format!("/latest/meta-data/{path}")).await;
            found.map(|text| text.as_ref().trim().to_owned())
        };
        let id = get("instance-id").await.map_err(silent)?;
        let zone = get("placement/availability-zone").await.map_err(silent)?;
        let address = get("local-ipv4").await.map_err(silent)?;
        let address = address.parse().map_err(|error| {
            CloudError::new(CloudErrorKind::Failed, format!("`{address}` is no address"))
                .because(error)
                .hint("this is not what EC2 documents of its metadata service")
        })?;
        Ok(Self {
            id,
            zone,
            address,
            metadata,
        })
    }

    /// Why the machine will be taken away, if it will.
    ///
    /// # Errors
    /// The metadata service does not answer.
    pub async fn notice(&self) -> Result<Option<String>, CloudError> {
        let spot = "spot/instance-action";
        let rebalance = "events/recommendations/rebalance";
        for (path, why) in [
            (spot, "EC2 takes the spot instance back"),
            (rebalance, "EC2 is likely to take the spot instance back"),
        ] {
            if self.has(path).await? {
                return Ok(Some(why.to_owned()));
            }
        }
        Ok(None)
    }

    async fn has(&self, path: &str) -> Result<bool, CloudError> {
        let path = format!("/latest/meta-data/{path}");
        match self.metadata.get(path).await {
            Ok(_) => Ok(true),
            Err(ImdsError::ErrorResponse(answer)) if answer.response().status().as_u16() == 404 => {
                Ok(false)
            }
            Err(error) => Err(silent(error)),
        }
    }
}

fn silent(error: ImdsError) -> CloudError {
    let text = causes(&error);
    CloudError::new(
        CloudErrorKind::Unreachable,
        "the machine's metadata service does not answer",
    )
    .because(text)
    .hint("`fnlocal node` runs on machines that `fnlocal promote` made, with host networking")
}
