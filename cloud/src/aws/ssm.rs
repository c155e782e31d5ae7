//! SSM: the key by which nodes know each other, and the newest machine image.

use aws_sdk_ssm::types::{ParameterType, ResourceTypeForTagging, Tag};
use rand::Rng as _;

use super::{Aws, Made, found};
use crate::error::CloudError;
use crate::inventory::Found;
use crate::names::hex;
use crate::resource::{PeerKey, Resource};

impl Aws {
    pub(super) async fn read_peer_key(&self) -> Result<Option<Found>, CloudError> {
        let name = self.names.peer_key();
        // Its tags say whether it is there; its value is none of our business.
        let call = self.ssm.list_tags_for_resource();
        let call = call
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(&name);
        let output = found!("ssm:ListTagsForResource", ["InvalidResourceId"], call)?;
        let found = output.map(|output| Found {
            owner: self.owner(output.tag_list().iter().map(|tag| (tag.key(), tag.value()))),
            id: name.clone(),
            resource: Resource::PeerKey(PeerKey { name }),
        });
        Ok(found)
    }

    pub(super) async fn create_peer_key(&self, wanted: &PeerKey) -> Result<Made, CloudError> {
        let mut key = [0_u8; 32];
        rand::rng().fill_bytes(&mut key);
        let mut call = self
            .ssm
            .put_parameter()
            .name(&wanted.name)
            .description("by this nodes of fnlocal know each other")
            .r#type(ParameterType::SecureString)
            .value(hex(&key));
        for (key, value) in self.tags() {
            let tag = Tag::builder().key(key).value(value).build();
            call = call.tags(tag.expect("key and value are set"));
        }
        let made = found!("ssm:PutParameter", ["ParameterAlreadyExists"], call)?;
        Ok(made.map_or(Made::There, |_| Made::New(wanted.name.clone())))
    }

    pub(super) async fn delete_peer_key(&self, name: &str) -> Result<(), CloudError> {
        let call = self.ssm.delete_parameter().name(name);
        found!("ssm:DeleteParameter", ["ParameterNotFound"], call).map(drop)
    }

    /// The newest machine image of Amazon Linux 2023 for a processor as images call it.
    pub(super) async fn machine_image(
        &self,
        processor: &str,
    ) -> Result<Option<String>, CloudError> {
        let processor = if processor == "amd64" {
            "x86_64"
        } else {
            processor
        };
        let name =
            format!("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{processor}");
        let call = self.ssm.get_parameter().name(name);
        let output = found!("ssm:GetParameter", ["ParameterNotFound"], call)?;
        Ok(output.and_then(|output| output.parameter?.value))
    }
}
